"""Forgery detectors: timm networks with one output, the logit of "fake"."""

from dataclasses import dataclass

import timm
import torch
from torch import nn


@dataclass(frozen=True)
class NetworkSpec:
    """How to build a detector's network, and which input it needs."""

    timm: str  # the network's name in timm
    input_size: int  # side of the input, px
    mean: tuple[float, float, float]  # of RGB in 0..1, as timm's weights expect it
    std: tuple[float, float, float]  # of RGB in 0..1


class ForgeryDetector(nn.Module):
    """A network together with its pre-processing.

    The input is (B, 3, H, W) float RGB in 0..1, of any size. The output is (B,) logits,
    positive for fake. The detector resizes and normalises its input itself, so that
    gradients reach the pixels of a crop.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, spec: NetworkSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        for name, values in (("mean", spec.mean), ("std", spec.std)):
            channels = torch.tensor(values).view(1, 3, 1, 1)
            self.register_buffer(name, channels, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of images (B, 3, H, W)."""
        side = self.spec.input_size
        if images.shape[-2:] != (side, side):
            images = nn.functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True
            )
        normalised = (images - self.mean) / self.std
        return self.network(normalised).squeeze(1)  # (B, 1) to (B,)


def create_network(name: str, input_size: int) -> nn.Module:
    """timm's network `name` with random weights, one output, and this input size."""
    config = timm.get_pretrained_cfg(name)
    size = {"img_size": input_size} if config and config.fixed_input_size else {}
    return timm.create_model(name, num_classes=1, **size)


def to_images(crops: torch.Tensor) -> torch.Tensor:
    """Crops (B, H, W, 3) uint8 as images (B, 3, H, W) float32 in 0..1."""
    return crops.permute(0, 3, 1, 2).float().div_(255)
