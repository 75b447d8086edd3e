"""The drawn persons: shapes and colours of their heads."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Identity:
    """A drawn person. Colours are RGB in 0..255; lengths are in head half-widths."""

    skin: np.ndarray  # (3,)
    hair: np.ndarray  # (3,)
    iris: np.ndarray  # (3,)
    lips: np.ndarray  # (3,)
    cloth: np.ndarray  # (3,)
    head_height: float
    jaw_width: float
    eye_distance: float
    eye_size: float
    eye_height: float
    brow_thickness: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lip_thickness: float
    fringe: float
    hair_volume: float
    beard: float
    freckles: float
    glasses: bool
    texture_seed: int


def make_identity(seed: int, number: int) -> Identity:
    """Draw person `number` of the corpus with this seed.

    The same two numbers give the same person. The faces of persons 2k and 2k + 1 are
    swapped. They have similar skin, since FaceForensics++ chose similar pairs too.
    """
    rng = np.random.default_rng([seed, number, 1])
    pair_tone = np.random.default_rng([seed, number // 2, 0]).uniform(0.05, 0.95)
    tone = np.clip(pair_tone + rng.normal(0, 0.06), 0, 1)
    skin = np.array([232, 192, 164]) * (1 - tone) + np.array([128, 84, 60]) * tone
    hairs = np.array(
        [[36, 28, 24], [74, 50, 34], [128, 90, 54], [156, 122, 78], [110, 58, 36]]
    )
    hair = hairs[rng.integers(len(hairs) if tone < 0.5 else 2)]
    irises = np.array([[86, 56, 36], [70, 96, 124], [84, 106, 74], [58, 42, 34]])
    return Identity(
        skin=skin + rng.normal(0, 5, 3),
        hair=hair + rng.normal(0, 5, 3),
        iris=irises[rng.integers(len(irises))].astype(float),
        lips=skin * [0.86, 0.62, 0.62] + rng.normal(0, 6, 3),
        cloth=rng.uniform(40, 200, 3),
        head_height=rng.uniform(1.32, 1.46),
        jaw_width=rng.uniform(0.70, 0.86),
        eye_distance=rng.uniform(0.39, 0.46),
        eye_size=rng.uniform(0.15, 0.19),
        eye_height=rng.uniform(-0.18, -0.08),
        brow_thickness=rng.uniform(0.045, 0.09),
        brow_tilt=rng.uniform(-0.05, 0.06),
        nose_length=rng.uniform(0.36, 0.48),
        nose_width=rng.uniform(0.15, 0.22),
        mouth_width=rng.uniform(0.30, 0.42),
        mouth_height=rng.uniform(0.58, 0.68),
        lip_thickness=rng.uniform(0.05, 0.09),
        fringe=rng.uniform(-1.10, -0.88),
        hair_volume=rng.uniform(1.06, 1.22),
        beard=float(rng.uniform(0.15, 0.45) * (rng.uniform() < 0.3)),
        freckles=float(rng.uniform(0.3, 1.0) * (rng.uniform() < 0.5)),
        glasses=bool(rng.uniform() < 0.15),
        texture_seed=int(rng.integers(2**31)),
    )
