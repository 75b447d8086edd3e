"""Film drawn persons: the frames of real videos."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from pipeline.videos.miniature import staging
from pipeline.videos.miniature.camera import Camera, expose, make_camera, record
from pipeline.videos.miniature.features import draw_face
from pipeline.videos.miniature.head import Head, paint_head
from pipeline.videos.miniature.identity import make_identity
from pipeline.videos.miniature.motion import (
    BYSTANDER_PLACE,
    FRAME_RATE,
    FRAME_SIZE,
    MAIN_PLACE,
    SMALL_PLACE,
    Motion,
    Place,
    Pose,
    make_motion,
    wander,
)

MARGIN = 8  # px of background around a frame, into which a shaken camera looks
# Shares of the scenes that have a cut, in which the person is far from the camera, and
# in which a second person is seen (if the first is near).
SCENE_SHARES = np.array([0.08, 0.15, 0.2])
BYSTANDER_NUMBERS = 100_000  # added to the number of a person, gives a second person


@dataclass(frozen=True)
class Person:
    """A person in a scene.

    Attributes:
        head: the still parts of the head.
        motion: the expressions and poses in all frames.
    """

    head: Head
    motion: Motion


@dataclass(frozen=True)
class Scene:
    """A person, and perhaps a bystander, filmed in a place.

    Attributes:
        person: who is filmed.
        bystander: another person behind; None in most scenes.
        backgrounds: (H + 2 MARGIN, W + 2 MARGIN, 3) uint8, before and after the cut.
        cut: number of the first frame after the cut; the number of frames if there is
            no cut.
        camera: the camera.
        noise: (2H, 2W, 3) int16; a window of it is the noise of a frame.
        noise_offsets: (T, 2) int64, row and column of each frame's window.
        shake: (T, 2) int64, how far the picture is moved right and down in each frame.
    """

    person: Person
    bystander: Person | None
    backgrounds: tuple[np.ndarray, np.ndarray]
    cut: int
    camera: Camera
    noise: np.ndarray
    noise_offsets: np.ndarray
    shake: np.ndarray

    @property
    def frames(self) -> int:
        return len(self.person.motion.poses)

    def poses(self, index: int) -> list[Pose]:
        """Where the heads are in frame `index`: the person's, and a bystander's."""
        shown = [self.person, *([self.bystander] if self.bystander else [])]
        return [
            one.motion.poses[index].moved(*self.shake[index].tolist()) for one in shown
        ]

    @cached_property
    def takes(self) -> "list[Take]":
        """All frames, filmed once for the real video and all forgeries."""
        return [take(self, index) for index in range(self.frames)]


def make_scene(seed: int, number: int, frames: tuple[int, int]) -> Scene:
    """Film person `number`; `frames` gives the least and the most number of frames."""
    rng = np.random.default_rng([seed, number, 3])
    length = int(rng.integers(frames[0], frames[1] + 1))
    camera = make_camera(rng)
    light = (float(rng.uniform(-1, 1)), float(rng.uniform(-1, 0)))
    has_cut, is_small, is_watched = rng.uniform(size=3) < SCENE_SHARES
    cut = int(length * rng.uniform(0.3, 0.7)) if has_cut else length
    width, height = FRAME_SIZE
    room = (width + 2 * MARGIN, height + 2 * MARGIN)
    noise = rng.normal(0, camera.noise_sigma, (2 * height, 2 * width, 3))
    seconds = np.arange(length) / FRAME_RATE
    shake = [camera.shake * wander(rng, seconds, rate=1.5) for _ in range(2)]

    def film(number: int, place: Place) -> Person:
        motion = make_motion(seed, number, place=place, frames=length, cut=cut)
        return Person(paint_head(make_identity(seed, number), light), motion)

    watched = is_watched and not is_small
    return Scene(
        film(number, SMALL_PLACE if is_small else MAIN_PLACE),
        film(number + BYSTANDER_NUMBERS, BYSTANDER_PLACE) if watched else None,
        (staging.paint_background(rng, room), staging.paint_background(rng, room)),
        cut,
        camera,
        np.rint(noise).astype(np.int16),
        rng.integers(0, [height, width], (length, 2)),
        np.clip(np.rint(np.stack(shake, 1)), -MARGIN, MARGIN).astype(int),
    )


@dataclass(frozen=True)
class Take:
    """One frame of a scene.

    Attributes:
        drawn: (H, W, 3) uint8, what is in front of the camera.
        placement: where the person's head is in the frame.
        noise: (H, W, 3) int16, the camera's noise.
        frame: (H, W, 3) uint8, what the camera records.
    """

    drawn: np.ndarray
    placement: staging.Placement
    noise: np.ndarray
    frame: np.ndarray


def take(scene: Scene, index: int) -> Take:
    """Film frame `index` of a scene."""
    width, height = FRAME_SIZE
    room = scene.backgrounds[int(index >= scene.cut)]
    left, top = MARGIN - scene.shake[index]
    drawn = room[top : top + height, left : left + width].copy()
    pose, *behind = scene.poses(index)
    if scene.bystander:
        _draw_person(drawn, scene.bystander, behind[0], scene.camera, index)
    placement = _draw_person(drawn, scene.person, pose, scene.camera, index)
    row, column = scene.noise_offsets[index]
    noise = scene.noise[row : row + height, column : column + width]
    frame = record(scene.camera, expose(scene.camera, drawn), noise)
    return Take(drawn, placement, noise, frame)


def real_frames(scene: Scene) -> Iterator[np.ndarray]:
    """Yield the frames of the real video, (H, W, 3) uint8 RGB, without keeping them."""
    for index in range(scene.frames):
        yield take(scene, index).frame


def _draw_person(
    frame: np.ndarray, person: Person, pose: Pose, camera: Camera, index: int
) -> staging.Placement:
    """Draw a person on `frame` (H, W, 3) uint8, in place; return where the head is.

    The expression is that of frame `index`; the camera may have the head out of focus.
    """
    staging.paint_shoulders(frame, pose, person.head.identity.cloth)
    placement = staging.place(pose, FRAME_SIZE)
    face = draw_face(person.head, person.motion.expressions[index])
    colours, opacity = (staging.warp(p, placement) for p in (face, person.head.opacity))
    if camera.head_blur:
        colours, opacity = (
            cv2.GaussianBlur(part, (0, 0), camera.head_blur)
            for part in (colours, opacity)
        )
    staging.blend(frame[placement.window], colours, opacity)
    return placement
