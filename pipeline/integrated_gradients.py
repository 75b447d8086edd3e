"""Integrated Gradients of the fake logit, packed into full batches.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", section 3:
the attribution of pixel i is (x_i - b_i) times the integral over a in 0..1 of the
gradient of F at b + a (x - b). It adds up to F(x) - F(b) (completeness, section 3).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from pipeline.networks import ForgeryDetector

# Changes of the logit below this are too small to take a share of.
FLOOR = 0.1


@dataclass(frozen=True)
class Attribution:
    """Attributions of B images, in logits."""

    pixels: torch.Tensor  # (B, 3, H, W) float32, signed: positive speaks for fake
    logits: torch.Tensor  # (B,) F(x)
    baseline_logits: torch.Tensor  # (B,) F(b)

    def completeness_error(self) -> torch.Tensor:
        """|sum of attributions - (F(x) - F(b))| / max(|F(x) - F(b)|, FLOOR), (B,)."""
        change = self.logits - self.baseline_logits
        total = self.pixels.double().sum((1, 2, 3))
        return ((total - change).abs() / change.abs().clamp_min(FLOOR)).float()


def gauss_legendre(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes in 0..1 and weights that sum to 1, each (steps,) float64.

    Exact for polynomials of a degree below twice the steps.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


def integrated_gradients(
    detector: ForgeryDetector,
    images: torch.Tensor,
    baselines: torch.Tensor,
    steps: int,
    batch_size: int,
) -> Attribution:
    """Attribute the logits of `images` (B, 3, H, W) in 0..1 to their pixels.

    All steps of all images stand in one queue, which is cut into batches of
    `batch_size`: memory hangs on that alone, and only the last batch is not full.
    `baselines` has the images' shape. The detector must be frozen and in eval mode.
    """
    nodes, weights = (t.to(images) for t in gauss_legendre(steps))
    change = images - baselines
    total = torch.zeros_like(images)
    for start in range(0, len(images) * steps, batch_size):
        queue = torch.arange(start, min(start + batch_size, len(images) * steps))
        queue = queue.to(images.device)
        which, node = queue // steps, queue % steps
        points = baselines[which] + nodes[node].view(-1, 1, 1, 1) * change[which]
        points = points.contiguous(memory_format=torch.channels_last)
        points.requires_grad_(True)
        (gradients,) = torch.autograd.grad(detector(points).sum(), points)
        total.index_add_(0, which, gradients * weights[node].view(-1, 1, 1, 1))
    with torch.inference_mode():
        logits, baseline_logits = (
            torch.cat([detector(part) for part in whole.split(batch_size)])
            for whole in (images, baselines)
        )
    return Attribution(total * change, logits, baseline_logits)


def make_baselines(images: torch.Tensor, kind: str) -> torch.Tensor:
    """The baseline of each image (B, 3, H, W) in 0..1.

    `black`, `grey` and `white` are even images; `blurred` is the image itself after a
    Gaussian blur with a sigma of a twelfth of its side.
    """
    if kind == "blurred":
        pixels = images.permute(0, 2, 3, 1).cpu().numpy()
        sigma = images.shape[-1] / 12
        smooth = np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in pixels])
        return torch.from_numpy(smooth).permute(0, 3, 1, 2).to(images)
    return torch.full_like(images, {"black": 0.0, "grey": 0.5, "white": 1.0}[kind])
