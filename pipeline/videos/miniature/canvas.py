"""The canvas that heads are painted on, and functions to paint on it.

A head is painted upright. Coordinates are in head half-widths ("head units"), with the
origin between the ears; x increases to the right and y downwards.
"""

import cv2
import numpy as np

from pipeline.videos.miniature.identity import Identity

CANVAS_SIZE = (288, 352)  # width, height in px
HALF_WIDTH_PX = 88.0  # px in a head half-width
ORIGIN_PX = (144.0, 182.0)  # between the ears
SUBPIXEL_BITS = 4  # OpenCV draws with a resolution of 1/16 px


def canvas_grid() -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel of the canvas in head units, each (H, W) float32."""
    xs = (np.arange(CANVAS_SIZE[0], dtype=np.float32) - ORIGIN_PX[0]) / HALF_WIDTH_PX
    ys = (np.arange(CANVAS_SIZE[1], dtype=np.float32) - ORIGIN_PX[1]) / HALF_WIDTH_PX
    return np.meshgrid(xs, ys)


def head_radius(
    identity: Identity, x: np.ndarray, y: np.ndarray, *, grow: float = 1.0
) -> np.ndarray:
    """Distance of points from the head's centre; 1 on its outline.

    `x` and `y` (H, W) are in head units; `grow` scales the outline's width and height.
    Returns (H, W) float32.
    """
    chin = np.clip(y / identity.head_height, 0, 1)
    width = grow * (1 - (1 - identity.jaw_width) * chin**1.5)
    height = grow * identity.head_height * 0.97
    return (np.abs(x / width) ** 2.3 + np.abs(y / height) ** 2.3) ** (1 / 2.3)


def ramp(distance: np.ndarray, width: float = 0.02) -> np.ndarray:
    """1 at negative distances, 0 at positive ones, with a ramp of `width` between."""
    return np.clip(0.5 - distance / width, 0, 1).astype(np.float32)


def point(x: float, y: float) -> tuple[int, int]:
    """A point in head units, as OpenCV's fixed-point pixels of the canvas."""
    scale = 1 << SUBPIXEL_BITS
    return (
        round((ORIGIN_PX[0] + x * HALF_WIDTH_PX) * scale),
        round((ORIGIN_PX[1] + y * HALF_WIDTH_PX) * scale),
    )


def ellipse(
    canvas: np.ndarray,
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: np.ndarray,
    *,
    angles: tuple[float, float, float] = (0, 0, 360),
    thickness: int = -1,
) -> None:
    """Draw an anti-aliased ellipse in place.

    Centre and radii are in head units, the angles (rotation, start, end) in degrees. A
    thickness of -1 fills the ellipse.
    """
    axes = (
        round(radii[0] * HALF_WIDTH_PX * (1 << SUBPIXEL_BITS)),
        round(radii[1] * HALF_WIDTH_PX * (1 << SUBPIXEL_BITS)),
    )
    paint = tuple(float(c) for c in colour)
    cv2.ellipse(
        canvas,
        point(*centre),
        axes,
        *angles,
        paint,
        thickness,
        cv2.LINE_AA,
        SUBPIXEL_BITS,
    )


def fill_polygon(canvas: np.ndarray, points: np.ndarray, colour: np.ndarray) -> None:
    """Fill an anti-aliased polygon in place; `points` (N, 2) are in head units."""
    pixels = np.array(ORIGIN_PX) + points * HALF_WIDTH_PX
    fixed = np.rint(pixels * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(
        canvas, [fixed], tuple(float(c) for c in colour), cv2.LINE_AA, SUBPIXEL_BITS
    )
