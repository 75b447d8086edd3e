"""Draw the moving parts of a face: eyes, brows and mouth."""

import cv2
import numpy as np

from pipeline.videos.miniature.canvas import SUBPIXEL_BITS, ellipse, fill_polygon, point
from pipeline.videos.miniature.head import Head
from pipeline.videos.miniature.identity import Identity
from pipeline.videos.miniature.motion import Expression


def draw_face(head: Head, expression: Expression, fringe: bool = True) -> np.ndarray:
    """Draw a head with eyes, brows and mouth in an expression.

    Returns the canvas (H, W, 3) uint8 RGB; its opacity is `head.opacity`. Without
    `fringe`, the head's layer `front` is left out.
    """
    canvas = cv2.convertScaleAbs(head.paint)
    before = canvas.copy()
    identity = head.identity
    for side in (-1, 1):
        _draw_eye(canvas, identity, expression, side=side)
        _draw_brow(canvas, identity, expression, side=side)
    _draw_mouth(canvas, identity, expression)
    if identity.glasses:
        _draw_glasses(canvas, identity)
    # Blur what was drawn slightly, as a lens does.
    drawn = cv2.cvtColor(cv2.absdiff(canvas, before), cv2.COLOR_RGB2GRAY)
    left, top, width, height = cv2.boundingRect(drawn)
    rows = slice(top - 3, top + height + 3)
    box = rows, slice(left - 3, left + width + 3)
    canvas[box] = cv2.GaussianBlur(canvas[box], (0, 0), 0.8)
    if not fringe:
        return canvas
    front = head.front_opacity[box]
    canvas[box] = canvas[box] * (1 - front) + head.front[box] * front
    above = slice(rows.start)
    share = head.front_opacity[above]
    hair = np.clip(head.front[above], 0, 255)
    canvas[above] = canvas[above] * (1 - share) + hair * share
    return canvas


def _draw_eye(
    canvas: np.ndarray, identity: Identity, expression: Expression, *, side: int
) -> None:
    """Draw an eye: -1 is the left side of the canvas, 1 the right."""
    x, y, r = side * identity.eye_distance, identity.eye_height, identity.eye_size
    opening = r * 0.50 * (1 - expression.blink) + 0.004
    lid = identity.skin * 0.80
    ellipse(canvas, (x, y - 0.01), (r * 1.12, r * 0.66), lid)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    almond = np.stack(
        [x + r * np.cos(angle), y + opening * np.sin(angle) * np.abs(np.sin(angle))],
        axis=1,
    )
    white = canvas.copy()
    fill_polygon(white, almond, np.array([232, 228, 224]))
    gaze = x + 0.35 * r * expression.gaze
    ellipse(white, (gaze, y), (r * 0.47, r * 0.47), identity.iris * 0.6)
    ellipse(white, (gaze, y), (r * 0.40, r * 0.40), identity.iris)
    ellipse(white, (gaze, y), (r * 0.20, r * 0.20), np.array([12, 10, 10]))
    ellipse(white, (gaze + 0.03, y - 0.035), (0.018, 0.018), np.array([250] * 3))
    inside = np.zeros(canvas.shape[:2], np.uint8)
    fill_polygon(inside, almond, np.array([255]))
    cv2.copyTo(white, inside, canvas)
    ellipse(
        canvas,
        (x, y),
        (r, opening * 0.85),
        np.array([34, 24, 22]),
        angles=(0, 185, 355),
        thickness=2,
    )
    ellipse(
        canvas,
        (x, y - 0.02),
        (r * 1.1, r * 0.62),
        identity.skin * 0.62,
        angles=(0, 200, 340),
        thickness=1,
    )
    ellipse(
        canvas,
        (x, y + 0.02),
        (r, r * 0.55),
        identity.skin * 0.7,
        angles=(0, 20, 160),
        thickness=1,
    )


def _draw_brow(
    canvas: np.ndarray, identity: Identity, expression: Expression, *, side: int
) -> None:
    y = identity.eye_height - identity.eye_size * 1.05 - 0.06 * expression.brow_raise
    inner, outer = identity.eye_distance - 0.20, identity.eye_distance + 0.24
    along = np.linspace(0, 1, 12)
    arch = y - 0.07 * np.sin(np.pi * (0.25 + 0.65 * along)) + identity.brow_tilt * along
    x = side * (inner + (outer - inner) * along)
    half = identity.brow_thickness * (1 - 0.75 * along**2) / 2
    outline = np.concatenate(
        [np.stack([x, arch - half], 1), np.stack([x, arch + half], 1)[::-1]]
    )
    fill_polygon(canvas, outline, identity.hair * 0.75 + identity.skin * 0.12)


def _draw_mouth(canvas: np.ndarray, identity: Identity, expression: Expression) -> None:
    y, lip = identity.mouth_height, identity.lip_thickness
    half = identity.mouth_width * (1 + 0.16 * expression.smile)
    gap = 0.16 * expression.mouth_open
    along = np.linspace(-1, 1, 17)
    x = along * half
    corner = -0.09 * expression.smile * along**2
    bow = 1 - along**2
    upper = y + corner - bow * (lip * 0.9 + gap * 0.35)
    upper += 0.35 * lip * np.exp(-((along / 0.18) ** 2))
    lower = y + corner + bow * (lip * 1.15 + gap * 0.75)
    inner_up = y + corner - bow * gap * 0.35
    inner_down = y + corner + bow * (gap * 0.75 + 0.008)
    fill_polygon(canvas, _loop(x, upper, lower), identity.lips)
    below = np.clip(identity.lips * 1.1, 0, 255)
    fill_polygon(canvas, _loop(x * 0.9, inner_down, (inner_down + lower) / 2), below)
    fill_polygon(canvas, _loop(x * 0.95, inner_up, inner_down), np.array([52, 20, 22]))
    if expression.mouth_open > 0.15:
        teeth = inner_up + np.minimum(bow * 0.055, inner_down - inner_up)
        fill_polygon(canvas, _loop(x * 0.8, inner_up, teeth), np.array([226, 220, 208]))


def _loop(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The outline (2N, 2) of the area between two curves over `x` (N,)."""
    return np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])


def _draw_glasses(canvas: np.ndarray, identity: Identity) -> None:
    dark, y = np.array([30, 28, 32]), identity.eye_height
    for side in (-1, 1):
        x = side * identity.eye_distance
        ellipse(canvas, (x, y), (0.30, 0.23), dark, thickness=2)
        ends = point(x + side * 0.30, y - 0.03), point(side * 0.97, y - 0.06)
        cv2.line(canvas, *ends, (30.0, 28.0, 32.0), 2, cv2.LINE_AA, SUBPIXEL_BITS)
    bridge = (
        point(-identity.eye_distance + 0.3, y),
        point(identity.eye_distance - 0.3, y),
    )
    cv2.line(canvas, *bridge, (30.0, 28.0, 32.0), 2, cv2.LINE_AA, SUBPIXEL_BITS)
