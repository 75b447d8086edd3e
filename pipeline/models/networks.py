"""Forgery detectors: timm networks with one output, the logit of "fake"."""

from dataclasses import dataclass

import timm
import torch
from torch import nn


@dataclass(frozen=True)
class NetworkSpec:
    """What it takes to build a detector's network and feed it."""

    timm: str
    input_size: int  # px
    mean: tuple[float, float, float]  # of RGB in 0..1, as timm's weights expect it
    std: tuple[float, float, float]


class ForgeryDetector(nn.Module):
    """A network behind its own pre-processing.

    Takes (B, 3, H, W) float RGB in 0..1, of any size; gives (B,) logits, positive for
    fake. Resizing and normalisation are part of it, so that gradients reach pixels.
    """

    def __init__(self, network: nn.Module, spec: NetworkSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of images (B, 3, H, W)."""
        side = self.spec.input_size
        if images.shape[-2:] != (side, side):
            images = nn.functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True
            )
        normalised = (images - self.mean) / self.std
        return self.network(normalised).squeeze(1)


def create_network(name: str, input_size: int) -> nn.Module:
    """timm's network `name` with random weights and one output."""
    fixed = timm.get_pretrained_cfg(name)
    size = {"img_size": input_size} if fixed and fixed.fixed_input_size else {}
    return timm.create_model(name, num_classes=1, **size)


def to_images(crops: torch.Tensor) -> torch.Tensor:
    """Crops (B, H, W, 3) uint8 as images (B, 3, H, W) float32 in 0..1."""
    return crops.permute(0, 3, 1, 2).float().div_(255)
