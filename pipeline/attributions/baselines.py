"""Baselines: the images that integration paths start at.

An attribution explains the difference between the logit of a crop and the logit of its
baseline. So a baseline should show no evidence of a forgery.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from pipeline.statistics.seeds import named_generator

CONSTANT_LEVELS = {"black": 0.0, "grey": 0.5, "white": 1.0}


def make_baselines(
    kind: str,
    crops: np.ndarray,
    keys: Sequence[str],
    *,
    faces: np.ndarray | None = None,
    draws: int = 1,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Yield the baselines of each crop, (D, S, S, 3) float32 in 0..1.

    `crops` is (N, S, S, 3) uint8. D is `draws` for noise and 1 for the other kinds:

    - `black`, `grey` and `white`: one value for all pixels.
    - `blurred`: the crop after a Gaussian blur, whose sigma is 1/12 of its side.
    - `noise`: uniform noise, which depends only on `seed` and on the crop's key (one of
      `keys`, see `frame_keys`).
    - `mean_face`, `original` and `nearest_real`: a face for each crop, one of `faces`
      (N, S, S, 3) in 0..255.
    """
    for number, (crop, key) in enumerate(zip(crops, keys, strict=True)):
        if kind == "noise":
            yield np.stack([_noise(crop.shape, key, d, seed) for d in range(draws)])
        else:
            face = None if faces is None else faces[number]
            yield _baseline(kind, crop, face)[None]


def _baseline(kind: str, crop: np.ndarray, face: np.ndarray | None) -> np.ndarray:
    """The baseline (S, S, 3) of a crop, for any kind except noise."""
    if kind in CONSTANT_LEVELS:
        return np.full(crop.shape, CONSTANT_LEVELS[kind], np.float32)
    if kind == "blurred":
        smooth = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), len(crop) / 12)
        return smooth / np.float32(255)
    assert face is not None, kind
    return face.astype(np.float32) / np.float32(255)


def _noise(shape: tuple[int, ...], key: str, draw: int, seed: int) -> np.ndarray:
    """Uniform noise in 0..1 that depends only on the key, the draw and the seed."""
    rng = named_generator(seed, f"{draw} {key}")
    return rng.random(shape, np.float32)
