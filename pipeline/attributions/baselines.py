"""The images that attributions start from: nothing of them is taken for evidence."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from pipeline.attributions.references import References
from pipeline.statistics.seeds import named_generator

EVEN = {"black": 0.0, "grey": 0.5, "white": 1.0}


def make_baselines(
    kind: str,
    crops: np.ndarray,
    keys: Sequence[str],
    references: References,
    originals: np.ndarray | None = None,
    draws: int = 1,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Of each of the crops (N, S, S, 3) uint8 its baselines, (D, S, S, 3) float32.

    All are in 0..1. `black`, `grey` and `white` are even; `blurred` is the crop after a
    Gaussian blur with a sigma of a twelfth of its side; `mean_face` is that of real
    training faces; `noise` is D = `draws` images of uniform noise, by `seed` and each
    frame's own key; `real_face` is the one of `originals` (N, S, S, 3) uint8 where that
    is not black, else the nearest real training face. D is 1 but for noise.
    """
    for number, (crop, key) in enumerate(zip(crops, keys, strict=True)):
        if kind == "noise":
            yield np.stack([_noise(crop.shape, key, d, seed) for d in range(draws)])
        else:
            original = None if originals is None else originals[number]
            yield _baseline(kind, crop, references, original)[None]


def _baseline(
    kind: str, crop: np.ndarray, references: References, original: np.ndarray | None
) -> np.ndarray:
    """The one baseline of a crop, of any kind but noise."""
    if kind in EVEN:
        return np.full(crop.shape, EVEN[kind], np.float32)
    if kind == "blurred":
        smooth = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), len(crop) / 12)
        return smooth / np.float32(255)
    if kind == "mean_face":
        return references.mean_face / np.float32(255)
    assert kind == "real_face", kind
    assert original is not None
    face = original if original.any() else references.nearest(crop[None])[0]
    return face / np.float32(255)


def _noise(shape: tuple[int, ...], key: str, draw: int, seed: int) -> np.ndarray:
    """Uniform noise in 0..1, by nothing but the frame, the draw and the seed."""
    rng = named_generator(seed, f"{draw} {key}")
    return rng.random(shape, np.float32)
