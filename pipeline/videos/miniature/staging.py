"""Put a head into a frame: place it, paint the background, and blend layers."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.videos.miniature.canvas import (
    CANVAS_SIZE,
    HALF_WIDTH_PX,
    ORIGIN_PX,
    SUBPIXEL_BITS,
)
from pipeline.videos.miniature.motion import Pose


@dataclass(frozen=True)
class Placement:
    """Where the canvas of a head is in a frame.

    Attributes:
        box: left, top, right, bottom in px of the frame.
        map_x: (h, w) float32, x on the canvas in px for each pixel of the box.
        map_y: (h, w) float32, y on the canvas in px for each pixel of the box.
    """

    box: tuple[int, int, int, int]
    map_x: np.ndarray
    map_y: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the box, to index a frame with."""
        left, top, right, bottom = self.box
        return slice(top, bottom), slice(left, right)


def place(pose: Pose, frame_size: tuple[int, int]) -> Placement:
    """Place the canvas of a head in a frame of `frame_size` (width, height) px.

    Yaw moves the middle of the head more than its outline, as when a ball turns.
    """
    scale = pose.half_width / HALF_WIDTH_PX
    reach_x, reach_y = ORIGIN_PX[0] * scale * 1.08, CANVAS_SIZE[1] * scale * 0.54
    left = max(0, int(pose.x - reach_x))
    right = min(frame_size[0], int(pose.x + reach_x) + 1)
    top = max(0, int(pose.y - reach_y))
    bottom = min(frame_size[1], int(pose.y + reach_y) + 1)
    xs = np.arange(left, right, dtype=np.float32) - np.float32(pose.x)
    ys = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(pose.y)
    cos, sin = np.cos(pose.roll) / pose.half_width, np.sin(pose.roll) / pose.half_width
    x = (xs * cos + ys * sin).astype(np.float32)  # head half-widths
    y = (ys * cos - xs * sin).astype(np.float32)
    depth = np.clip(1 - x**2 - (y / 1.35) ** 2, 0, 1)
    x = x - np.float32(0.55 * np.sin(pose.yaw)) * depth
    return Placement(
        (left, top, right, bottom),
        x * np.float32(HALF_WIDTH_PX) + np.float32(ORIGIN_PX[0]),
        y * np.float32(HALF_WIDTH_PX) + np.float32(ORIGIN_PX[1]),
    )


def warp(canvas: np.ndarray, placement: Placement) -> np.ndarray:
    """A canvas (H, W) or (H, W, 3) in the box of a placement (h, w); 0 around it."""
    return cv2.remap(
        canvas,
        placement.map_x,
        placement.map_y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )


def blend(region: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> None:
    """Blend `colours` (h, w, 3) uint8 into a region of a frame, in place.

    `region` is a view (h, w, 3) uint8 of the frame, `opacity` (h, w) float32 in 0..1.
    """
    region[:] = cv2.blendLinear(
        np.ascontiguousarray(colours),
        np.ascontiguousarray(region),
        opacity,
        1 - opacity,
    )


def paint_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Paint a room, (H, W, 3) uint8; `size` is width, height.

    It is out of focus, in some rooms hardly and in others very much.
    """
    width, height = size
    base, other = _wall_colour(rng), _wall_colour(rng)
    ramp = np.linspace(0, 1, width)[None, :, None] * rng.uniform(0.3, 1)
    room = np.repeat(base * (1 - ramp) + other * ramp, height, 0).astype(np.float32)
    for _ in range(7):
        corner = rng.uniform(-0.1, 1, 2) * size
        extent = rng.uniform(0.1, 0.5, 2) * size
        end = corner + extent
        colour = tuple(float(c) for c in _wall_colour(rng))
        cv2.rectangle(room, corner.astype(int), end.astype(int), colour, -1)
    defocus = height * np.exp(rng.uniform(np.log(1 / 600), np.log(1 / 60)))
    room = cv2.GaussianBlur(room, (0, 0), defocus)
    grain = cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), 1.0)
    room += (grain * rng.uniform(2, 12)).astype(np.float32)
    return np.clip(room, 0, 255).astype(np.uint8)


def _wall_colour(rng: np.random.Generator) -> np.ndarray:
    """A random muted colour, (3,) RGB in 20..230."""
    grey = rng.uniform(50, 200)
    return np.clip(grey + rng.normal(0, 22, 3), 20, 230)


def paint_shoulders(frame: np.ndarray, pose: Pose, cloth: np.ndarray) -> None:
    """Draw shoulders of a colour `cloth` (3,) below a head on `frame`, in place."""
    x, y, half_width = pose.x, pose.y, pose.half_width
    height = frame.shape[0]
    along = np.linspace(-1, 1, 25)
    top = y + half_width * (1.55 + 0.75 * np.abs(along) ** 1.6)
    points = np.stack([x + along * half_width * 2.3, top], 1)
    floor = [[x + half_width * 2.3, height + 2], [x - half_width * 2.3, height + 2]]
    outline = (np.concatenate([points, floor]) * 16).astype(np.int32)
    paint = tuple(float(c) for c in cloth)
    cv2.fillPoly(frame, [outline], paint, cv2.LINE_AA, SUBPIXEL_BITS)
    edge = np.add(points[8:17], [0, 2])
    shadow = tuple(float(c) * 0.75 for c in cloth)
    cv2.polylines(
        frame,
        [(edge * 16).astype(np.int32)],
        False,
        shadow,
        2,
        cv2.LINE_AA,
        SUBPIXEL_BITS,
    )
