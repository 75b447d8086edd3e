"""Random changes of training images, as usual in forgery detection.

All random numbers are drawn on the CPU from one generator. Thus the same seed gives the
same changes on every device. JPEG compression is first and runs on the CPU, in the
reader processes (`jpeg_qualities` chooses the qualities). The other changes run on the
training device, one batch at a time.
"""

import cv2
import numpy as np
import torch
from torch import nn
from torchvision.transforms.v2 import functional as transforms

from pipeline.config.models import AugmentConfig

MAX_SHIFT = 4  # px
JPEG_QUALITIES = (40, 95)  # lowest and highest
RESCALE_FACTORS = (0.5, 1.0)  # smallest and largest, of the image's side
BLUR_SIGMAS = (0.3, 1.5)  # smallest and largest, px
BLUR_KERNEL = [9, 9]  # px
MAX_NOISE = 0.03  # highest standard deviation; pixel values are 0..1


def jpeg_qualities(
    count: int, config: AugmentConfig | None, generator: torch.Generator
) -> torch.Tensor:
    """Random JPEG qualities (count,) int64; 0 means that an image is not compressed."""
    if config is None:
        return torch.zeros(count, dtype=torch.int64)
    lowest, highest = JPEG_QUALITIES
    quality = torch.randint(lowest, highest + 1, (count,), generator=generator)
    return torch.where(_chosen(count, config.jpeg, generator), quality, 0)


def augment(
    images: torch.Tensor, config: AugmentConfig, generator: torch.Generator
) -> torch.Tensor:
    """Change images (B, 3, H, W) float in 0..1 at random; the result is of that kind.

    `config` gives the share of images for each kind of change. The input is not
    modified.
    """
    count = len(images)
    images = _flip(images, _chosen(count, config.flip, generator))
    images = _shift(images, _chosen(count, config.shift, generator), generator)
    images = _rescale(images, _chosen(count, config.rescale, generator), generator)
    images = _blur(images, _chosen(count, config.blur, generator), generator)
    images = _colour(images, _chosen(count, config.colour, generator), generator)
    images = _add_noise(images, _chosen(count, config.noise, generator), generator)
    return images.clamp(0, 1)


def _chosen(count: int, share: float, generator: torch.Generator) -> torch.Tensor:
    """Which of `count` images to change: (count,) bool, each with chance `share`."""
    return torch.rand(count, generator=generator) < share


def _between(
    low: float, high: float, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Uniform random numbers (count,) float32 between `low` and `high`."""
    return low + (high - low) * torch.rand(count, generator=generator)


def _flip(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    mask = chosen.to(images.device).view(-1, 1, 1, 1)
    return torch.where(mask, images.flip(3), images)


def _shift(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Pad each image with its edge pixels, and crop it at a random corner."""
    corners = torch.randint(2 * MAX_SHIFT + 1, (len(images), 2), generator=generator)
    corners = torch.where(chosen[:, None], corners, MAX_SHIFT)
    height, width = images.shape[2:]
    padded = nn.functional.pad(images, (MAX_SHIFT,) * 4, mode="replicate")
    pairs = zip(padded, corners.tolist(), strict=True)
    return torch.stack([p[:, y : y + height, x : x + width] for p, (y, x) in pairs])


def _rescale(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Scale the chosen images down and up again. This modifies `images`."""
    scales = _between(*RESCALE_FACTORS, len(images), generator)
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
    """Blur the chosen images by a Gaussian. This modifies `images`."""
    sigmas = _between(*BLUR_SIGMAS, len(images), generator)
    for index in chosen.nonzero().flatten().tolist():
        sigma = [float(sigmas[index])] * 2
        images[index] = transforms.gaussian_blur(images[index], BLUR_KERNEL, sigma)
    return images


def _colour(
    images: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Change contrast by up to 15 %, brightness by 0.1 and saturation by 30 %."""
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
    """Add Gaussian noise to the chosen images. This modifies `images`."""
    deviations = _between(0.0, MAX_NOISE, len(images), generator)
    for index in chosen.nonzero().flatten().tolist():
        noise = torch.randn(images.shape[1:], generator=generator)
        images[index] += float(deviations[index]) * noise.to(images.device)
    return images


def compress_as_jpeg(crop: np.ndarray, quality: int) -> np.ndarray:
    """A crop (S, S, 3) uint8 RGB after JPEG compression and decompression."""
    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
