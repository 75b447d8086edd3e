"""What a camera does to a picture: its focus, exposure, colours, noise and compression.

The cameras of the miniature corpus differ as those of real clips do, so that a smooth
or a noisy picture alone does not say that a face is forged.
"""

from dataclasses import dataclass

import cv2
import numpy as np

UNCOMPRESSED_SHARE = 0.5  # of the cameras, which do not compress their frames as JPEG


@dataclass(frozen=True)
class Camera:
    """A camera, and how it is held.

    Attributes:
        blur: standard deviation of the blur of the whole picture, px.
        head_blur: standard deviation of an additional blur of the head, which is out of
            focus, px; 0 for most cameras.
        curves: (1, 256, 3) uint8, the level that each level of red, green and blue
            becomes.
        saturation: strength of colours, 1 for unchanged.
        noise_sigma: standard deviation of the noise, grey levels.
        jpeg: quality of the camera's own compression, 1..100; 0 for none.
        shake: how far the picture moves from frame to frame, px.
    """

    blur: float
    head_blur: float
    curves: np.ndarray
    saturation: float
    noise_sigma: float
    jpeg: int
    shake: float


def make_camera(rng: np.random.Generator) -> Camera:
    """A random camera."""
    compressed = rng.uniform() > UNCOMPRESSED_SHARE
    return Camera(
        blur=float(rng.uniform(0.3, 0.8)),
        head_blur=float(rng.uniform(0.3, 0.7) * (rng.uniform() < 0.25)),
        curves=_curves(rng),
        saturation=float(rng.uniform(0.6, 1.15)),
        noise_sigma=float(np.exp(rng.uniform(np.log(2.5), np.log(6.0)))),
        jpeg=int(rng.integers(75, 96)) if compressed else 0,
        shake=float(rng.uniform(0, 2.5) * (rng.uniform() < 0.5)),
    )


def _curves(rng: np.random.Generator) -> np.ndarray:
    """Random exposure, contrast and white balance: levels (1, 256, 3) uint8."""
    gain, gamma = rng.uniform(0.75, 1.0), np.exp(rng.normal(0.04, 0.09))
    balance = np.exp(rng.normal(0, 0.05, 3))
    levels = np.linspace(0, 1, 256)[:, None]
    curves = 255 * balance * gain * levels**gamma
    return np.clip(np.rint(curves), 0, 255).astype(np.uint8)[None]


def expose(camera: Camera, picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB as the camera sees it, without its noise."""
    seen = cv2.GaussianBlur(picture, (0, 0), camera.blur)
    grey = (1 - camera.saturation) * np.array([0.299, 0.587, 0.114])
    seen = cv2.transform(seen, camera.saturation * np.eye(3) + grey)
    return cv2.LUT(seen, camera.curves)


def record(camera: Camera, picture: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Add noise (H, W, 3) to an exposed picture, and compress it: (H, W, 3) uint8."""
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if not camera.jpeg:
        return noisy
    quality = [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg]
    _, compressed = cv2.imencode(".jpg", noisy[..., ::-1], quality)
    decoded = cv2.imdecode(compressed, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1]
