"""Draw the frames of real videos, and of forgeries made from two of them.

Each forgery imitates the FaceForensics++ method of the same name (Roessler et al. 2019,
section 3), and leaves the kind of trace that such a method leaves. The forged region is
drawn above the camera's noise and therefore has no noise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.videos.miniature import staging
from pipeline.videos.miniature.canvas import (
    CANVAS_SIZE,
    canvas_grid,
    head_radius,
    ramp,
)
from pipeline.videos.miniature.features import draw_face
from pipeline.videos.miniature.head import Head, paint_head
from pipeline.videos.miniature.identity import (
    Expression,
    Identity,
    Motion,
    make_identity,
    make_motion,
)

FRAME_SIZE = (320, 240)  # width, height in px
NOISE_SIGMA = 3.5  # grey levels, standard deviation of the camera's noise
CLEAR_MASK = np.zeros(FRAME_SIZE[::-1], np.uint8)


@dataclass(frozen=True)
class Scene:
    """A person filmed in a place.

    Attributes:
        identity: who is filmed.
        head: the still parts of the head.
        motion: the expressions and poses in all frames.
        background: (H, W, 3) uint8.
        noise: (2H, 2W, 3) int16; a window of it is the noise of a frame.
        noise_offsets: (T, 2) int64, row and column of each frame's window.
    """

    identity: Identity
    head: Head
    motion: Motion
    background: np.ndarray
    noise: np.ndarray
    noise_offsets: np.ndarray

    @property
    def frames(self) -> int:
        return len(self.motion.poses)


def make_scene(seed: int, number: int, frames: tuple[int, int]) -> Scene:
    """Film person `number`; `frames` gives the least and the most number of frames."""
    rng = np.random.default_rng([seed, number, 3])
    identity = make_identity(seed, number)
    length = int(rng.integers(frames[0], frames[1] + 1))
    light = (float(rng.uniform(-1, 1)), float(rng.uniform(-1, 0)))
    width, height = FRAME_SIZE
    noise = rng.normal(0, NOISE_SIGMA, (2 * height, 2 * width, 3))
    return Scene(
        identity,
        paint_head(identity, light),
        make_motion(seed, number, frames=length, size=FRAME_SIZE),
        staging.paint_background(rng, FRAME_SIZE),
        np.rint(noise).astype(np.int16),
        rng.integers(0, [height, width], (length, 2)),
    )


def real_frames(scene: Scene) -> Iterator[np.ndarray]:
    """Yield the frames of the real video, (H, W, 3) uint8 RGB."""
    for index in range(scene.frames):
        yield _film(scene, index)[0]


def _film(scene: Scene, index: int) -> tuple[np.ndarray, staging.Placement]:
    """Frame `index` of the real video, (H, W, 3) uint8, and where the head is in it."""
    pose = scene.motion.poses[index]
    frame = scene.background.copy()
    staging.paint_shoulders(frame, pose, scene.identity.cloth)
    placement = staging.place(pose, FRAME_SIZE)
    face = draw_face(scene.head, scene.motion.expressions[index])
    opacity = staging.warp(scene.head.opacity, placement)
    colours = staging.warp(face, placement)
    staging.blend(frame, placement, colours=colours, opacity=opacity)
    row, column = scene.noise_offsets[index]
    window = scene.noise[row : row + frame.shape[0], column : column + frame.shape[1]]
    return np.clip(frame + window, 0, 255).astype(np.uint8), placement


@dataclass(frozen=True)
class Forgery:
    """A forged face.

    Attributes:
        weight: (H, W) float32 in 0..1, its opacity on the canvas.
        paint: gives the canvas (H, W, 3) uint8 for a frame of the target and a frame of
            the source.
    """

    weight: np.ndarray
    paint: Callable[[int, int], np.ndarray]


def forged_frames(
    method: str, target: Scene, source: Scene
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the frames of a forgery, (H, W, 3) uint8 RGB, and masks, (H, W) 0 or 255.

    A Face2Face video is as long as the source, as in FaceForensics++. The others are as
    long as the shorter one of target and source.
    """
    forgery = FORGERIES[method](target, source)
    length = min(target.frames, source.frames)
    for index in range(source.frames if method == "Face2Face" else length):
        shown = index % target.frames
        frame, placement = _film(target, shown)
        opacity = staging.warp(forgery.weight, placement)
        face = staging.warp(forgery.paint(shown, index), placement)
        staging.blend(frame, placement, colours=face, opacity=opacity)
        left, top, right, bottom = placement.box
        mask = CLEAR_MASK.copy()
        mask[top:bottom, left:right] = np.where(opacity > 0.4, 255, 0)
        yield frame, mask


def _deepfakes(target: Scene, source: Scene) -> Forgery:
    """The source's inner face in low resolution, blended, with shifted colours."""

    def paint(shown: int, index: int) -> np.ndarray:
        expression = target.motion.expressions[shown]
        face = _resample(draw_face(source.head, expression, fringe=False), 0.34)
        return _match_colour(face, source.identity, target.identity, strength=0.75)

    return Forgery(_inner_face(target, 0.68, feather=5.0), paint)


def _face2face(target: Scene, source: Scene) -> Forgery:
    """The source's expression on the target's face; the face region is resampled."""

    def paint(shown: int, index: int) -> np.ndarray:
        return _resample(draw_face(target.head, source.motion.expressions[index]), 0.42)

    return Forgery(_inner_face(target, 0.80, feather=4.0), paint)


def _faceswap(target: Scene, source: Scene) -> Forgery:
    """A still texture of the source's face, slightly misplaced, with a hard edge."""
    still = source.motion.expressions[0]

    def paint(shown: int, index: int) -> np.ndarray:
        mouth = target.motion.expressions[shown].mouth_open
        expression = Expression(mouth, still.smile, 0, still.brow_raise, still.gaze)
        face = draw_face(source.head, expression, fringe=False)
        face = _resample(face, 0.7)
        drift = 3.0 * np.sin(0.7 * shown)
        shift = np.array([[1.03, 0, drift - 4], [0, 1.03, -5]], np.float32)
        face = cv2.warpAffine(face, shift, CANVAS_SIZE, borderMode=cv2.BORDER_REPLICATE)
        return _match_colour(face, source.identity, target.identity, strength=0.50)

    return Forgery(_inner_face(target, 0.72, feather=0.6), paint)


def _neural_textures(target: Scene, source: Scene) -> Forgery:
    """A synthesized mouth region: smooth, with a faint grid as from upsampling."""

    def paint(shown: int, index: int) -> np.ndarray:
        own, other = target.motion.expressions[shown], source.motion.expressions[index]
        expression = Expression(
            other.mouth_open, other.smile, own.blink, own.brow_raise, own.gaze
        )
        face = _resample(draw_face(target.head, expression), 0.40)
        face = cv2.GaussianBlur(face, (0, 0), 1.2)
        return np.clip(face + _GRID, 0, 255).astype(np.uint8)

    x, y = canvas_grid()
    region = np.hypot(x / 0.56, (y - target.identity.mouth_height) / 0.40) - 1
    chin = head_radius(target.identity, x, y) - 0.97
    return Forgery(ramp(region, 0.15) * ramp(chin, 0.05), paint)


FORGERIES: dict[str, Callable[[Scene, Scene], Forgery]] = {
    "Deepfakes": _deepfakes,
    "Face2Face": _face2face,
    "FaceSwap": _faceswap,
    "NeuralTextures": _neural_textures,
}

_ROWS, _COLUMNS = np.mgrid[: CANVAS_SIZE[1], : CANVAS_SIZE[0]]
_CHECKS = ((_ROWS // 4) + (_COLUMNS // 4)) % 2
_GRID = np.where(_CHECKS, 3, -3).astype(np.int16)[..., None]  # (H, W, 1)


def _resample(face: np.ndarray, factor: float) -> np.ndarray:
    """Shrink a canvas by `factor` and enlarge it again."""
    small = cv2.resize(face, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, CANVAS_SIZE, interpolation=cv2.INTER_LINEAR)


def _match_colour(
    face: np.ndarray, source: Identity, target: Identity, *, strength: float
) -> np.ndarray:
    """Shift a face's skin tone from source to target by the share `strength`."""
    gain = 1 + strength * (target.skin / source.skin - 1)
    return cv2.multiply(face, (*gain.tolist(), 1.0))


def _inner_face(scene: Scene, grow: float, feather: float) -> np.ndarray:
    """Weight (H, W) in 0..1 of a face from brow to chin.

    `grow` is the size of the region as a share of the head's; `feather` is the standard
    deviation of the blur of its edge, in px.
    """
    x, y = canvas_grid()
    region = head_radius(scene.identity, x, (y - 0.14) * 1.08) - grow
    inside = ramp(region, 0.01)
    return cv2.GaussianBlur(inside, (0, 0), feather)
