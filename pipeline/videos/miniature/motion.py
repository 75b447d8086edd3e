"""How drawn persons move: their expressions, and the poses of their heads."""

from dataclasses import dataclass, replace

import numpy as np

FRAME_SIZE = (320, 240)  # width, height in px
FRAME_RATE = 25  # frames per second, as in most of FaceForensics++
MAX_YAW = 0.6  # radians, to which a head turns


@dataclass(frozen=True)
class Place:
    """Where a person is in a frame: ranges that a video's values are drawn from.

    `half_width` is that of the head in px; `x` and `y` are the centre of the head as
    shares of the frame's width and height. With `mirrored`, half of the persons stand
    at the other side.
    """

    half_width: tuple[float, float]
    x: tuple[float, float]
    y: tuple[float, float]
    mirrored: bool = False


MAIN_PLACE = Place((35, 47), (0.42, 0.58), (0.49, 0.55))
SMALL_PLACE = Place((23, 32), (0.30, 0.70), (0.35, 0.50))
BYSTANDER_PLACE = Place((20, 27), (0.13, 0.17), (0.34, 0.46), mirrored=True)


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

    def moved(self, right: float, down: float) -> "Pose":
        """The same pose at another place in the frame, in px."""
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True)
class Motion:
    """The expressions and poses of a person in a video, one of each per frame."""

    expressions: list[Expression]
    poses: list[Pose]


def make_motion(
    seed: int, number: int, *, place: Place, frames: int, cut: int
) -> Motion:
    """Move person `number` for some frames of `FRAME_SIZE`.

    From frame `cut` on the head is at another place and farther away.
    """
    rng = np.random.default_rng([seed, number, 2])
    width, height = FRAME_SIZE
    seconds = np.arange(frames) / FRAME_RATE
    after = seconds >= cut / FRAME_RATE
    half_width = rng.uniform(*place.half_width)
    across = rng.uniform(*place.x)
    across = 1 - across if place.mirrored and rng.uniform() < 0.5 else across
    reach = half_width / 48
    x = width * across + 9 * reach * wander(rng, seconds)
    y = height * rng.uniform(*place.y) + 4 * reach * wander(rng, seconds)
    x = x + after * rng.choice([-1, 1]) * 0.1 * width
    sizes = half_width * (1 + 0.03 * wander(rng, seconds))
    sizes = sizes * np.where(after, rng.uniform(0.85, 1.0), 1)
    roll = rng.normal(0, 0.05) + 0.07 * wander(rng, seconds)
    yaw = rng.normal(0, 0.18) + 0.30 * wander(rng, seconds)
    yaw = np.clip(yaw, -MAX_YAW, MAX_YAW)
    speech = np.clip(0.35 + 0.45 * wander(rng, seconds, rate=2.2), 0, 1)
    smile = np.clip(rng.uniform(0, 0.5) + 0.35 * wander(rng, seconds), 0, 1)
    brows = np.clip(0.3 + 0.4 * wander(rng, seconds), 0, 1)
    gaze = np.clip(0.6 * wander(rng, seconds), -1, 1)
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


def wander(
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
