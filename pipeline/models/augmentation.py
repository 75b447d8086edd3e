"""Change training images at random, as forgery detection does to generalise.

Everything is drawn on the CPU from one generator, so that the same seed gives the same
images on every device. JPEG comes first, in the processes that read (`jpeg_qualities`):
it is the CPU's work; all else is done on the device, a batch at a time.
"""

import cv2
import numpy as np
import torch
from torch import nn
from torchvision.transforms.v2 import functional as transforms

from pipeline.config.models import AugmentConfig

SHIFT = 4  # px, at most
QUALITY = (40, 95)  # of JPEG
SCALE = (0.5, 1.0)  # of the side that is kept
SIGMA = (0.3, 1.5)  # px of the blur
NOISE = 0.03  # deviation, at most, of values in 0..1


def jpeg_qualities(
    count: int, config: AugmentConfig | None, generator: torch.Generator
) -> torch.Tensor:
    """JPEG qualities (count,) int64, 0 where an image is to be left alone."""
    if config is None:
        return torch.zeros(count, dtype=torch.int64)
    quality = torch.randint(QUALITY[0], QUALITY[1] + 1, (count,), generator=generator)
    return torch.where(_chosen(count, config.jpeg, generator), quality, 0)


def augment(
    images: torch.Tensor, config: AugmentConfig, generator: torch.Generator
) -> torch.Tensor:
    """Images (B, 3, H, W) in 0..1, changed at random; of the same shape and range."""
    count = len(images)
    images = _flip(images, _chosen(count, config.flip, generator))
    images = _shift(images, _chosen(count, config.shift, generator), generator)
    images = _rescale(images, _chosen(count, config.rescale, generator), generator)
    images = _blur(images, _chosen(count, config.blur, generator), generator)
    images = _colour(images, _chosen(count, config.colour, generator), generator)
    images = _add_noise(images, _chosen(count, config.noise, generator), generator)
    return images.clamp(0, 1)


def _chosen(count: int, share: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) < share


def _between(
    low: float, high: float, count: int, generator: torch.Generator
) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _flip(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    mask = chosen.to(images.device).view(-1, 1, 1, 1)
    return torch.where(mask, images.flip(3), images)


def _shift(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Cut each image at its corner out of a copy with wider edges."""
    corners = torch.randint(2 * SHIFT + 1, (len(images), 2), generator=generator)
    corners = torch.where(chosen[:, None], corners, SHIFT)
    height, width = images.shape[2:]
    wide = nn.functional.pad(images, (SHIFT,) * 4, mode="replicate")
    moved = zip(wide, corners.tolist(), strict=True)
    return torch.stack([w[:, y : y + height, x : x + width] for w, (y, x) in moved])


def _rescale(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    scales = _between(*SCALE, len(images), generator)
    height, width = images.shape[2:]
    for index in chosen.nonzero().flatten().tolist():
        scale = float(scales[index])
        small = [max(1, round(scale * side)) for side in (height, width)]
        reduced = transforms.resize(images[index], small, antialias=True)
        images[index] = transforms.resize(reduced, [height, width], antialias=True)
    return images


def _blur(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    sigmas = _between(*SIGMA, len(images), generator)
    for index in chosen.nonzero().flatten().tolist():
        sigma = float(sigmas[index])
        images[index] = transforms.gaussian_blur(images[index], [9, 9], [sigma, sigma])
    return images


def _colour(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Contrast and saturation by up to 15 and 30 %, brightness by up to a tenth."""
    count, device = len(images), images.device
    gain = _between(0.85, 1.15, count, generator)
    offset = _between(-0.1, 0.1, count, generator)
    saturation = _between(0.7, 1.3, count, generator)
    mask, gain, offset, saturation = (
        value.to(device).view(-1, 1, 1, 1)
        for value in (chosen, gain, offset, saturation)
    )
    grey = transforms.rgb_to_grayscale(images)
    changed = (grey + saturation * (images - grey)) * gain + offset
    return torch.where(mask, changed, images)


def _add_noise(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    deviations = _between(0.0, NOISE, len(images), generator)
    for index in chosen.nonzero().flatten().tolist():
        noise = torch.randn(images.shape[1:], generator=generator)
        images[index] += float(deviations[index]) * noise.to(images.device)
    return images


def through_jpeg(crop: np.ndarray, quality: int) -> np.ndarray:
    """A crop (S, S, 3) uint8 RGB, compressed as JPEG and decoded again."""
    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
