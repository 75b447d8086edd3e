"""Drawn persons whose videos have nothing special, for tests of face detection."""

from itertools import count, islice

import numpy as np

from pipeline.videos.miniature.motion import FRAME_SIZE
from pipeline.videos.miniature.scene import MARGIN, Scene, make_scene

NEAR = 34  # px: half-widths of the heads of near persons are larger


def plain_scene(seed: int, index: int, frames: int) -> Scene:
    """The scene of the `index`-th person who is near, alone, and not cut."""
    scenes = (make_scene(seed, number, (frames, frames)) for number in count())
    return next(islice(filter(is_plain, scenes), index, None))


def is_plain(scene: Scene) -> bool:
    """Whether a scene has one person, near the camera, and no cut."""
    near = scene.poses(0)[0].half_width > NEAR
    return near and scene.bystander is None and scene.cut == scene.frames


def empty_room(scene: Scene) -> np.ndarray:
    """A frame of a scene without its person, (H, W, 3) uint8."""
    width, height = FRAME_SIZE
    room = scene.backgrounds[0]
    return room[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
