"""The canvas that heads are painted on, and how to paint on it.

A head is painted upright. Canvas units are head half-widths, with the origin between
the ears; x grows to the right and y downwards.
"""

import cv2
import numpy as np

from pipeline.videos.miniature.identity import Identity

CANVAS = (288, 352)  # width, height in px
UNIT = 88.0  # px in a head half-width
ORIGIN = (144.0, 182.0)  # px: between the ears
SHIFT = 4  # OpenCV draws at 1/16 px


def canvas_grid() -> tuple[np.ndarray, np.ndarray]:
    """x and y of every canvas pixel in head half-widths, each (H, W) float32."""
    xs = (np.arange(CANVAS[0], dtype=np.float32) - ORIGIN[0]) / UNIT
    ys = (np.arange(CANVAS[1], dtype=np.float32) - ORIGIN[1]) / UNIT
    return np.meshgrid(xs, ys)


def head_radius(
    identity: Identity, x: np.ndarray, y: np.ndarray, grow: float = 1.0
) -> np.ndarray:
    """Distance of points from the head's centre; 1 on its outline, (H, W) float32."""
    chin = np.clip(y / identity.head_height, 0, 1)
    width = grow * (1 - (1 - identity.jaw_width) * chin**1.5)
    height = grow * identity.head_height * 0.97
    return (np.abs(x / width) ** 2.3 + np.abs(y / height) ** 2.3) ** (1 / 2.3)


def soft(distance: np.ndarray, width: float = 0.02) -> np.ndarray:
    """1 where `distance` is negative, 0 where positive, a ramp of `width` between."""
    return np.clip(0.5 - distance / width, 0, 1).astype(np.float32)


def point(x: float, y: float) -> tuple[int, int]:
    """Head units to OpenCV's fixed-point canvas px."""
    scale = 1 << SHIFT
    return (
        round((ORIGIN[0] + x * UNIT) * scale),
        round((ORIGIN[1] + y * UNIT) * scale),
    )


def ellipse(
    canvas: np.ndarray,
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: np.ndarray,
    angles: tuple[float, float, float] = (0, 0, 360),
    thickness: int = -1,
) -> None:
    """An anti-aliased ellipse; centre and radii in head units, angles in degrees."""
    axes = (
        round(radii[0] * UNIT * (1 << SHIFT)),
        round(radii[1] * UNIT * (1 << SHIFT)),
    )
    paint = tuple(float(c) for c in colour)
    cv2.ellipse(
        canvas, point(*centre), axes, *angles, paint, thickness, cv2.LINE_AA, SHIFT
    )


def fill(canvas: np.ndarray, points: np.ndarray, colour: np.ndarray) -> None:
    """An anti-aliased polygon; `points` (N, 2) in head units."""
    fixed = np.array([point(*p) for p in points], np.int32)
    cv2.fillPoly(canvas, [fixed], tuple(float(c) for c in colour), cv2.LINE_AA, SHIFT)
