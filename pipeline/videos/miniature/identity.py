"""The drawn persons and their movements: every number that a drawn video needs."""

from dataclasses import dataclass

import numpy as np

FRAME_RATE = 25  # frames per second, as in most of FaceForensics++


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


@dataclass(frozen=True)
class Expression:
    """The expression of a face in one frame: `gaze` in -1..1, the others in 0..1."""

    mouth_open: float
    smile: float
    blink: float
    brow_raise: float
    gaze: float


@dataclass(frozen=True)
class Pose:
    """The pose of a head in one frame: centre, half-width in px; angles in radians."""

    x: float
    y: float
    half_width: float
    roll: float
    yaw: float


@dataclass(frozen=True)
class Motion:
    """The expressions and poses of a person in a video, one of each per frame."""

    expressions: list[Expression]
    poses: list[Pose]


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
        [[36, 28, 24], [74, 50, 34], [128, 90, 54], [176, 142, 92], [110, 58, 36]]
    )
    hair = hairs[rng.integers(len(hairs) if tone < 0.5 else 2)]
    irises = np.array([[86, 56, 36], [70, 96, 124], [84, 106, 74], [58, 42, 34]])
    return Identity(
        skin=skin + rng.normal(0, 5, 3),
        hair=hair + rng.normal(0, 5, 3),
        iris=irises[rng.integers(len(irises))].astype(float),
        lips=skin * [0.86, 0.62, 0.62] + rng.normal(0, 6, 3),
        cloth=rng.uniform(40, 200, 3),
        head_height=rng.uniform(1.26, 1.42),
        jaw_width=rng.uniform(0.72, 0.92),
        eye_distance=rng.uniform(0.38, 0.46),
        eye_size=rng.uniform(0.17, 0.21),
        eye_height=rng.uniform(-0.22, -0.12),
        brow_thickness=rng.uniform(0.045, 0.09),
        brow_tilt=rng.uniform(-0.05, 0.06),
        nose_length=rng.uniform(0.36, 0.48),
        nose_width=rng.uniform(0.15, 0.22),
        mouth_width=rng.uniform(0.30, 0.42),
        mouth_height=rng.uniform(0.62, 0.72),
        lip_thickness=rng.uniform(0.05, 0.09),
        fringe=rng.uniform(-0.95, -0.62),
        hair_volume=rng.uniform(1.06, 1.22),
        beard=float(rng.uniform(0.2, 0.6) * (rng.uniform() < 0.3)),
        freckles=float(rng.uniform(0.3, 1.0) * (rng.uniform() < 0.5)),
        glasses=bool(rng.uniform() < 0.15),
        texture_seed=int(rng.integers(2**31)),
    )


def make_motion(
    seed: int, number: int, *, frames: int, size: tuple[int, int]
) -> Motion:
    """Move person `number` for some frames of `size` (width, height) px."""
    rng = np.random.default_rng([seed, number, 2])
    width, height = size
    seconds = np.arange(frames) / FRAME_RATE
    scale = height / 240
    half_width = rng.uniform(42, 52) * scale
    x = width * rng.uniform(0.42, 0.58) + 9 * scale * _wander(rng, seconds)
    y = height * rng.uniform(0.50, 0.56) + 4 * scale * _wander(rng, seconds)
    sizes = half_width * (1 + 0.03 * _wander(rng, seconds))
    roll = rng.normal(0, 0.04) + 0.06 * _wander(rng, seconds)
    yaw = rng.normal(0, 0.12) + 0.22 * _wander(rng, seconds)
    speech = np.clip(0.35 + 0.45 * _wander(rng, seconds, rate=2.2), 0, 1)
    smile = np.clip(rng.uniform(0, 0.6) + 0.35 * _wander(rng, seconds), 0, 1)
    brows = np.clip(0.3 + 0.4 * _wander(rng, seconds), 0, 1)
    gaze = np.clip(0.6 * _wander(rng, seconds), -1, 1)
    blink = _blinks(rng, frames)
    expressions = [
        Expression(*(float(v) for v in values))
        for values in zip(speech, smile, blink, brows, gaze, strict=True)
    ]
    poses = [
        Pose(*(float(v) for v in values))
        for values in zip(x, y, sizes, roll, yaw, strict=True)
    ]
    return Motion(expressions, poses)


def _wander(
    rng: np.random.Generator, seconds: np.ndarray, rate: float = 0.5
) -> np.ndarray:
    """A smooth curve (T,) around zero, mostly in -1..1; `rate` is in hertz."""
    rates = rate * np.array([0.6, 1.0, 1.7]) * rng.uniform(0.8, 1.25, 3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rates[:, None] * seconds + phases[:, None])
    return np.array([0.5, 0.35, 0.15]) @ waves


def _blinks(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far the lids are closed, (T,) in 0..1: five frames about every 2 s."""
    closed = np.zeros(frames)
    start = int(rng.integers(8, 30))
    while start < frames:
        for offset, value in enumerate([0.4, 0.9, 1.0, 0.7, 0.3]):
            if start + offset < frames:
                closed[start + offset] = value
        start += int(rng.integers(30, 70))
    return closed
