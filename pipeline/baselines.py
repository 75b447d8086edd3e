"""The images that attributions start from: nothing of them is taken for evidence."""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from pipeline.references import References

EVEN = {"black": 0.0, "grey": 0.5, "white": 1.0}


def make_baselines(
    kind: str,
    crops: np.ndarray,
    keys: Sequence[str],
    references: References,
    aligned: np.ndarray | None = None,
    draws: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """The baselines of crops (N, S, S, 3) uint8: (D, N, S, S, 3) float32 in 0..1.

    `black`, `grey` and `white` are even; `blurred` is the crop after a Gaussian blur
    with a sigma of a twelfth of its side; `mean_face` is that of real training faces;
    `noise` is D = `draws` images of uniform noise, by `seed` and each frame's own key;
    `real_face` is the original of `aligned` (N, S, S, 3) uint8 where that is not black,
    else the nearest real training face. D is 1 but for noise.
    """
    if kind in EVEN:
        return np.full((1, *crops.shape), EVEN[kind], np.float32)
    if kind == "blurred":
        sigma = crops.shape[1] / 12
        smooth = [cv2.GaussianBlur(c.astype("f4"), (0, 0), sigma) for c in crops]
        return np.stack(smooth)[None] / np.float32(255)
    if kind == "mean_face":
        mean = references.mean_face / np.float32(255)
        return np.broadcast_to(mean, (1, *crops.shape))
    if kind == "noise":
        drawn = [
            [_noise(crops[0].shape, k, d, seed) for k in keys] for d in range(draws)
        ]
        return np.array(drawn, np.float32)
    assert kind == "real_face", kind
    assert aligned is not None
    faces = aligned.copy()
    missing = ~faces.any((1, 2, 3))
    if missing.any():
        faces[missing] = references.nearest(crops[missing])
    return faces[None] / np.float32(255)


def _noise(shape: tuple[int, ...], key: str, draw: int, seed: int) -> np.ndarray:
    """Uniform noise in 0..1, by nothing but the frame, the draw and the seed."""
    digest = hashlib.sha256(f"{seed} {draw} {key}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    return rng.random(shape, np.float32)


def frame_keys(rows: pd.DataFrame) -> list[str]:
    """A text for each frame that tells it from all others."""
    parts = zip(rows["video"], rows["subject"], rows["number"], strict=True)
    return [f"{video} {subject} {number}" for video, subject, number in parts]
