"""Forge faces: the frames of fakes, made from the scenes of two persons.

Each forgery imitates the FaceForensics++ method of the same name (Roessler et al. 2019,
section 3), and leaves the kind of trace that such a method leaves. It is blended into
the recorded frames of the target, so it has other noise and another sharpness than the
picture around it. Its strength, which differs from video to video, says how visible the
traces are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.videos.miniature import staging
from pipeline.videos.miniature.camera import expose
from pipeline.videos.miniature.canvas import (
    CANVAS_SIZE,
    canvas_grid,
    head_radius,
    ramp,
)
from pipeline.videos.miniature.features import draw_face
from pipeline.videos.miniature.head import Head
from pipeline.videos.miniature.motion import FRAME_SIZE, Expression
from pipeline.videos.miniature.scene import Scene, Take

STRENGTHS = (0.5, 1.0)  # range of the strengths of forgeries
# On the canvas, squares of 4 px with 1 and -1, as generators leave them by upsampling.
CHECKERBOARD = 2 * (np.indices(CANVAS_SIZE[::-1]) // 4).sum(0, dtype=np.float32) % 4 - 1
CLEAR_MASK = np.zeros(FRAME_SIZE[::-1], np.uint8)


@dataclass(frozen=True)
class Forgery:
    """A forged face.

    Attributes:
        weight: (H, W) float32 in 0..1, its opacity on the canvas.
        paint: gives the canvas (H, W, 3) uint8 for a frame of the target and a frame of
            the source.
        resolution: of the forged face, as a share of the frame's.
        grain: its noise, as a share of the camera's.
        checks: amplitude of CHECKERBOARD on it, in grey levels.
    """

    weight: np.ndarray
    paint: Callable[[int, int], np.ndarray]
    resolution: float
    grain: float
    checks: float = 0.0


def draw_strength(seed: int, method: str, target: int, source: int) -> float:
    """The strength of a fake, in the range STRENGTHS."""
    number = list(FORGERIES).index(method)
    rng = np.random.default_rng([seed, target, source, 4 + number])
    return float(rng.uniform(*STRENGTHS))


def forged_frames(
    method: str, target: Scene, source: Scene, strength: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the frames of a forgery, (H, W, 3) uint8 RGB, and masks, (H, W) 0 or 255.

    `strength` is how visible its traces are, 0..1. A Face2Face video is as long as the
    source, as in FaceForensics++. The others are as long as the shorter one of target
    and source.
    """
    forgery = FORGERIES[method](target, source, strength)
    length = min(target.frames, source.frames)
    for index in range(source.frames if method == "Face2Face" else length):
        shown = index % target.frames
        filmed = target.takes[shown]
        opacity = staging.warp(forgery.weight, filmed.placement)
        face = staging.warp(forgery.paint(shown, index), filmed.placement)
        mask = CLEAR_MASK.copy()
        mask[filmed.placement.window] = np.where(opacity > 0.4, 255, 0)
        yield _forge(target, filmed, forgery, face=face, opacity=opacity), mask


def _forge(
    target: Scene,
    filmed: Take,
    forgery: Forgery,
    *,
    face: np.ndarray,
    opacity: np.ndarray,
) -> np.ndarray:
    """The recorded frame with a forged face (h, w, 3) uint8 blended into it.

    `opacity` (h, w) float32 in 0..1 is that of the face in the placement's box.
    """
    window = filmed.placement.window
    drawn = filmed.drawn[window].copy()
    covered = (opacity > 0.01).astype(np.float32)
    staging.blend(drawn, face, covered)
    seen = _resample(expose(target.camera, drawn), forgery.resolution)
    checks = forgery.checks * staging.warp(CHECKERBOARD, filmed.placement)
    seen = seen + forgery.grain * filmed.noise[window] + checks[..., None]
    frame = filmed.frame.copy()
    seen = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    staging.blend(frame[window], seen, opacity)
    return frame


def _deepfakes(target: Scene, source: Scene, strength: float) -> Forgery:
    """The source's inner face in low resolution, blended, with shifted colours."""
    head, moves = source.person.head, target.person.motion

    def paint(shown: int, index: int) -> np.ndarray:
        face = draw_face(head, moves.expressions[shown], fringe=False)
        return _match_colour(face, head, target.person.head, 1 - 0.6 * strength)

    return Forgery(
        _inner_face(target, 0.68, feather=8 - 4 * strength),
        paint,
        resolution=0.9 - 0.5 * strength,
        grain=0.8 - 0.8 * strength,
        checks=5 * strength,
    )


def _face2face(target: Scene, source: Scene, strength: float) -> Forgery:
    """The source's expression on the target's face, in another light."""
    moves = source.person.motion
    gain = 1 + 0.12 * strength * np.sign(source.person.motion.poses[0].yaw)

    def paint(shown: int, index: int) -> np.ndarray:
        face = draw_face(target.person.head, moves.expressions[index])
        return cv2.convertScaleAbs(face, alpha=gain)

    return Forgery(
        _inner_face(target, 0.80, feather=7 - 3 * strength),
        paint,
        resolution=0.9 - 0.35 * strength,
        grain=0.8 - 0.8 * strength,
        checks=3 * strength,
    )


def _faceswap(target: Scene, source: Scene, strength: float) -> Forgery:
    """A still texture of the source's face, slightly misplaced, with a hard edge."""
    still, head = source.person.motion.expressions[0], source.person.head
    moves = target.person.motion

    def paint(shown: int, index: int) -> np.ndarray:
        mouth = moves.expressions[shown].mouth_open
        expression = Expression(mouth, still.smile, 0, still.brow_raise, still.gaze)
        face = draw_face(head, expression, fringe=False)
        drift = strength * (3.0 * np.sin(0.7 * shown) - 4)
        grow = 1 + 0.03 * strength
        shift = np.array([[grow, 0, drift], [0, grow, -5 * strength]], np.float32)
        face = cv2.warpAffine(face, shift, CANVAS_SIZE, borderMode=cv2.BORDER_REPLICATE)
        return _match_colour(face, head, target.person.head, 1 - 0.7 * strength)

    return Forgery(
        _inner_face(target, 0.72, feather=4.5 - 3.5 * strength),
        paint,
        resolution=0.9 - 0.25 * strength,
        grain=0.8 - 0.6 * strength,
    )


def _neural_textures(target: Scene, source: Scene, strength: float) -> Forgery:
    """A synthesized mouth region: smooth, with a faint checkerboard."""
    head = target.person.head

    def paint(shown: int, index: int) -> np.ndarray:
        own = target.person.motion.expressions[shown]
        other = source.person.motion.expressions[index]
        return draw_face(
            head,
            Expression(
                other.mouth_open, other.smile, own.blink, own.brow_raise, own.gaze
            ),
        )

    x, y = canvas_grid()
    region = np.hypot(x / 0.56, (y - head.identity.mouth_height) / 0.40) - 1
    chin = head_radius(head.identity, x, y) - 0.97
    return Forgery(
        ramp(region, 0.15) * ramp(chin, 0.05),
        paint,
        resolution=0.9 - 0.5 * strength,
        grain=0.8 - 0.8 * strength,
        checks=5 * strength,
    )


FORGERIES: dict[str, Callable[[Scene, Scene, float], Forgery]] = {
    "Deepfakes": _deepfakes,
    "Face2Face": _face2face,
    "FaceSwap": _faceswap,
    "NeuralTextures": _neural_textures,
}


def _resample(picture: np.ndarray, factor: float) -> np.ndarray:
    """Shrink a picture (H, W, 3) by `factor` and enlarge it again."""
    size = picture.shape[1::-1]
    small = cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)


def _match_colour(
    face: np.ndarray, source: Head, target: Head, strength: float
) -> np.ndarray:
    """Shift a face's skin tone from source to target by the share `strength`."""
    gain = 1 + strength * (target.identity.skin / source.identity.skin - 1)
    return cv2.multiply(face, (*gain.tolist(), 1.0))


def _inner_face(scene: Scene, grow: float, feather: float) -> np.ndarray:
    """Weight (H, W) in 0..1 of a face from brow to chin.

    `grow` is the size of the region as a share of the head's; `feather` is the standard
    deviation of the blur of its edge, in px of the canvas.
    """
    x, y = canvas_grid()
    region = head_radius(scene.person.head.identity, x, (y - 0.14) * 1.08) - grow
    return cv2.GaussianBlur(ramp(region, 0.01), (0, 0), feather)
