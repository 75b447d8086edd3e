"""Draw a person: a head on its own canvas, and that head posed in a scene.

A head is painted upright on a canvas of `CANVAS` px (what never changes once per
person, eyes and mouth once per frame) and warped into the frame, in the rectangle
that it covers. Canvas units are head half-widths, with the origin between the ears.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.miniature.identity import Expression, Identity, Pose

CANVAS = (288, 352)  # width, height in px
UNIT = 88.0  # px in a head half-width
ORIGIN = (144.0, 182.0)  # px: between the ears
SHIFT = 4  # OpenCV draws at 1/16 px


@dataclass(frozen=True)
class Head:
    """The still layers of a head: paint (H, W, 3) float32, its opacity (H, W) 0..1."""

    identity: Identity
    paint: np.ndarray
    opacity: np.ndarray
    shade: np.ndarray  # (H, W, 1) float32: light that falls on what is drawn later
    front: np.ndarray  # (H, W, 3) float32: fringe, drawn over brows
    front_opacity: np.ndarray  # (H, W, 1)


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


def _blob(
    x: np.ndarray,
    y: np.ndarray,
    centre: tuple[float, float],
    radii: tuple[float, float],
) -> np.ndarray:
    """A Gaussian spot with peak 1, (H, W)."""
    dx, dy = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return np.exp(-(dx**2 + dy**2))


def _texture(seed: int, sigmas: tuple[float, ...]) -> np.ndarray:
    """Noise of unit variance with detail at each of `sigmas` (px), (H, W) float32."""
    rng = np.random.default_rng(seed)
    total = np.zeros(CANVAS[::-1], np.float32)
    for sigma in sigmas:
        noise = rng.standard_normal(CANVAS[::-1]).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigma) if sigma else noise
        total += noise / noise.std()
    return total / total.std()


def paint_head(identity: Identity, light: tuple[float, float]) -> Head:
    """Paint what stays still: skin, ears, neck, hair and nose, lit from `light`.

    `light` is the direction towards the lamp in the canvas plane, each in -1..1.
    """
    x, y = canvas_grid()
    radius = head_radius(identity, x, y)
    bulge = np.sqrt(np.clip(1 - radius**2, 0, 1))  # the depth of an ellipsoid
    shade = 0.70 + 0.30 * bulge + 0.16 * (light[0] * x + light[1] * y / 1.3)
    shade = _sculpt(identity, x, y, shade)
    fine = _texture(identity.texture_seed, (0.8, 1.6, 5.0))
    skin = identity.skin * np.ones((*x.shape, 3), np.float32)
    blush = 0.5 * sum(_blob(x, y, (s * 0.5, 0.3), (0.3, 0.25)) for s in (-1, 1))
    skin += blush[..., None] * np.array([12, -10, -8])
    skin += fine[..., None] * np.array([4.5, 4.0, 3.6])
    skin -= _freckles(identity)[..., None] * np.array([30, 34, 30])
    stubble = identity.beard * soft(0.38 - y + 0.35 * (1 - np.abs(x)), 0.25)
    stubble *= 0.75 + 0.25 * _texture(identity.texture_seed + 1, (0.7,))
    skin = skin * (1 - stubble[..., None]) + identity.hair * stubble[..., None]
    skin *= shade[..., None]
    opacity, paint = soft(radius - 1), skin
    paint, opacity = _ears(identity, x, y, shade, paint, opacity)
    paint, opacity = _neck(identity, x, y, paint, opacity)
    paint, opacity, front, front_opacity = _hair(identity, x, y, shade, paint, opacity)
    paint = paint.astype(np.float32)
    _draw_nose(paint, identity)
    return Head(
        identity,
        paint,
        opacity.astype(np.float32),
        shade[..., None].astype(np.float32),
        front.astype(np.float32),
        front_opacity[..., None].astype(np.float32),
    )


def _sculpt(
    identity: Identity, x: np.ndarray, y: np.ndarray, shade: np.ndarray
) -> np.ndarray:
    """Darken eye sockets and the sides of the nose, brighten forehead and cheeks."""
    eye, nose_tip = identity.eye_height, identity.eye_height + identity.nose_length
    for side in (-1, 1):
        shade = shade - 0.13 * _blob(
            x, y, (side * identity.eye_distance, eye - 0.03), (0.24, 0.15)
        )
        shade = shade - 0.07 * _blob(x, y, (side * 0.13, eye + 0.15), (0.07, 0.24))
        shade = shade + 0.06 * _blob(x, y, (side * 0.5, 0.28), (0.22, 0.18))
        fold_x = side * (0.24 + 0.5 * (y - nose_tip))
        fold = np.exp(-(((x - fold_x) / 0.035) ** 2))
        shade = shade - 0.07 * fold * soft(np.abs(y - nose_tip - 0.12) - 0.13, 0.15)
    shade = shade + 0.09 * _blob(x, y, (0, eye + 0.12), (0.055, 0.30))
    shade = shade + 0.06 * _blob(x, y, (0, -0.62), (0.5, 0.25))
    chin = identity.mouth_height + identity.lip_thickness
    shade = shade - 0.10 * _blob(x, y, (0, chin + 0.10), (0.2, 0.05))
    return shade - 0.07 * _blob(x, y, (0, nose_tip + 0.06), (0.2, 0.06))


def _freckles(identity: Identity) -> np.ndarray:
    """Density of freckles over nose and cheeks, (H, W) in 0..1."""
    x, y = canvas_grid()
    spots = np.clip(_texture(identity.texture_seed + 2, (1.3,)) - 1.6, 0, 1)
    where = _blob(x, y, (0, 0.18), (0.7, 0.28))
    return identity.freckles * spots * where


def _over(
    paint: np.ndarray, opacity: np.ndarray, colour: np.ndarray, cover: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paint `colour` over with `cover` (H, W) and join the opacities."""
    return (
        paint * (1 - cover[..., None]) + colour * cover[..., None],
        np.maximum(opacity, cover),
    )


def _behind(
    paint: np.ndarray, opacity: np.ndarray, colour: np.ndarray, cover: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paint `colour` behind what is there."""
    share = opacity[..., None]
    return paint * share + colour * (1 - share), np.maximum(opacity, cover)


def _ears(
    identity: Identity,
    x: np.ndarray,
    y: np.ndarray,
    shade: np.ndarray,
    paint: np.ndarray,
    opacity: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    ear = np.zeros_like(opacity)
    for side in (-1, 1):
        ring = ((x - side * 0.99) / 0.11) ** 2 + ((y - 0.02) / 0.24) ** 2
        ear = np.maximum(ear, soft(ring - 1, 0.15))
    colour = identity.skin * (0.72 + 0.1 * shade[..., None])
    return _behind(paint, opacity, colour, ear)


def _neck(
    identity: Identity,
    x: np.ndarray,
    y: np.ndarray,
    paint: np.ndarray,
    opacity: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    neck = soft(np.abs(x) - 0.50 - 0.1 * np.clip(y - 1.2, 0, 1)) * soft(0.6 - y)
    colour = identity.skin * (0.62 + 0.1 * np.clip(y - 1.1, 0, 1))[..., None]
    return _behind(paint, opacity, colour, neck)


def _hair(
    identity: Identity,
    x: np.ndarray,
    y: np.ndarray,
    shade: np.ndarray,
    paint: np.ndarray,
    opacity: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hair around the head, and its fringe as a layer of its own."""
    rng = np.random.default_rng(identity.texture_seed + 3)
    strands = rng.standard_normal((1, CANVAS[0])).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), 1.2).repeat(CANVAS[1], 0)
    wavy = (x * UNIT + ORIGIN[0] + 14 * x * y).astype(np.float32)
    rows = np.arange(CANVAS[1], dtype=np.float32)[:, None].repeat(CANVAS[0], 1)
    strands = cv2.remap(strands, wavy, rows, cv2.INTER_LINEAR)
    strands = strands / strands.std()
    colour = identity.hair * (0.55 + 0.45 * shade + 0.10 * strands)[..., None]
    volume = identity.hair_volume
    around = soft(head_radius(identity, x, y + 0.1, volume) - 1, 0.05)
    around *= soft(y - 0.25 + 0.15 * np.abs(x), 0.3)
    paint, opacity = _behind(paint, opacity, colour, around)
    line = identity.fringe + 0.38 * np.abs(x) ** 2.2 + 0.02 * strands
    fringe = soft(y - line, 0.08) * soft(head_radius(identity, x, y, 1.02) - 1, 0.04)
    temple = soft(0.86 - np.abs(x), 0.1) * soft(y - 0.1, 0.2)
    fringe = np.maximum(fringe, temple * soft(head_radius(identity, x, y) - 1.02, 0.04))
    return paint, opacity, colour, fringe


def _point(x: float, y: float) -> tuple[int, int]:
    """Head units to OpenCV's fixed-point canvas px."""
    scale = 1 << SHIFT
    return (
        round((ORIGIN[0] + x * UNIT) * scale),
        round((ORIGIN[1] + y * UNIT) * scale),
    )


def _ellipse(
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
        canvas, _point(*centre), axes, *angles, paint, thickness, cv2.LINE_AA, SHIFT
    )


def _fill(canvas: np.ndarray, points: np.ndarray, colour: np.ndarray) -> None:
    """An anti-aliased polygon; `points` (N, 2) in head units."""
    fixed = np.array([_point(*p) for p in points], np.int32)
    cv2.fillPoly(canvas, [fixed], tuple(float(c) for c in colour), cv2.LINE_AA, SHIFT)


def _draw_nose(canvas: np.ndarray, identity: Identity) -> None:
    tip = identity.eye_height + identity.nose_length
    dark = identity.skin * 0.55
    for side in (-1, 1):
        x = side * identity.nose_width * 0.48
        _ellipse(canvas, (x, tip), (0.05, 0.026), dark * 0.75)
        wing = side * identity.nose_width * 0.85
        start = (-70, 70) if side > 0 else (110, 250)
        _ellipse(canvas, (wing, tip - 0.03), (0.05, 0.07), dark, (0, *start), 1)


def draw_face(head: Head, expression: Expression, fringe: bool = True) -> np.ndarray:
    """The head's canvas with eyes, brows and mouth as `expression` has them.

    Returns (H, W, 3) uint8 RGB; the opacity stays the head's.
    """
    canvas = cv2.convertScaleAbs(head.paint)
    before = canvas.copy()
    identity = head.identity
    for side in (-1, 1):
        _draw_eye(canvas, identity, expression, side)
        _draw_brow(canvas, identity, expression, side)
    _draw_mouth(canvas, identity, expression)
    if identity.glasses:
        _draw_glasses(canvas, identity)
    # What was drawn gets the head's light and a slight softness, as a lens gives.
    drawn = (canvas != before).any(axis=2)
    rows, columns = np.where(drawn.any(1))[0], np.where(drawn.any(0))[0]
    box = np.s_[rows[0] - 3 : rows[-1] + 4, columns[0] - 3 : columns[-1] + 4]
    canvas[box] = cv2.GaussianBlur(canvas[box], (0, 0), 0.8)
    if not fringe:
        return canvas
    front = head.front_opacity[box]
    canvas[box] = canvas[box] * (1 - front) + head.front[box] * front
    top = np.s_[: rows[0] - 3]
    share = head.front_opacity[top]
    canvas[top] = canvas[top] * (1 - share) + np.clip(head.front[top], 0, 255) * share
    return canvas


def _draw_eye(
    canvas: np.ndarray, identity: Identity, expression: Expression, side: int
) -> None:
    x, y, r = side * identity.eye_distance, identity.eye_height, identity.eye_size
    opening = r * 0.50 * (1 - expression.blink) + 0.004
    lid = identity.skin * 0.80
    _ellipse(canvas, (x, y - 0.01), (r * 1.12, r * 0.66), lid)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    almond = np.stack(
        [x + r * np.cos(angle), y + opening * np.sin(angle) * np.abs(np.sin(angle))],
        axis=1,
    )
    white = canvas.copy()
    _fill(white, almond, np.array([232, 228, 224]))
    gaze = x + 0.35 * r * expression.gaze
    _ellipse(white, (gaze, y), (r * 0.47, r * 0.47), identity.iris * 0.6)
    _ellipse(white, (gaze, y), (r * 0.40, r * 0.40), identity.iris)
    _ellipse(white, (gaze, y), (r * 0.20, r * 0.20), np.array([12, 10, 10]))
    _ellipse(white, (gaze + 0.03, y - 0.035), (0.018, 0.018), np.array([250] * 3))
    inside = np.zeros(canvas.shape[:2], np.uint8)
    _fill(inside, almond, np.array([255]))
    cv2.copyTo(white, inside, canvas)
    _ellipse(
        canvas,
        (x, y),
        (r, opening * 0.85),
        np.array([34, 24, 22]),
        (0, 185, 355),
        2,
    )
    _ellipse(
        canvas,
        (x, y - 0.02),
        (r * 1.1, r * 0.62),
        identity.skin * 0.62,
        (0, 200, 340),
        1,
    )
    _ellipse(canvas, (x, y + 0.02), (r, r * 0.55), identity.skin * 0.7, (0, 20, 160), 1)


def _draw_brow(
    canvas: np.ndarray, identity: Identity, expression: Expression, side: int
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
    _fill(canvas, outline, identity.hair * 0.75 + identity.skin * 0.12)


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
    _fill(canvas, _loop(x, upper, lower), identity.lips)
    below = np.clip(identity.lips * 1.1, 0, 255)
    _fill(canvas, _loop(x * 0.9, inner_down, (inner_down + lower) / 2), below)
    _fill(canvas, _loop(x * 0.95, inner_up, inner_down), np.array([52, 20, 22]))
    if expression.mouth_open > 0.15:
        teeth = inner_up + np.minimum(bow * 0.055, inner_down - inner_up)
        _fill(canvas, _loop(x * 0.8, inner_up, teeth), np.array([226, 220, 208]))


def _loop(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The outline between two curves over `x`, (2N, 2)."""
    return np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])


def _draw_glasses(canvas: np.ndarray, identity: Identity) -> None:
    dark, y = np.array([30, 28, 32]), identity.eye_height
    for side in (-1, 1):
        x = side * identity.eye_distance
        _ellipse(canvas, (x, y), (0.30, 0.23), dark, thickness=3)
        ends = _point(x + side * 0.30, y - 0.03), _point(side * 0.97, y - 0.06)
        cv2.line(canvas, *ends, (30.0, 28.0, 32.0), 3, cv2.LINE_AA, SHIFT)
    bridge = (
        _point(-identity.eye_distance + 0.3, y),
        _point(identity.eye_distance - 0.3, y),
    )
    cv2.line(canvas, *bridge, (30.0, 28.0, 32.0), 3, cv2.LINE_AA, SHIFT)


@dataclass(frozen=True)
class Placement:
    """Where a canvas falls in a frame: its rectangle, and each pixel's canvas point."""

    box: tuple[int, int, int, int]  # left, top, right, bottom px in the frame
    map_x: np.ndarray  # (h, w) float32: canvas x of each pixel of the box
    map_y: np.ndarray


def place(pose: Pose, frame_size: tuple[int, int]) -> Placement:
    """Work out which frame pixels show which canvas points under `pose`.

    Yaw moves the middle of the head more than its outline, as on a ball.
    """
    scale = pose.half_width / UNIT
    reach_x, reach_y = ORIGIN[0] * scale * 1.08, CANVAS[1] * scale * 0.54
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
        x * np.float32(UNIT) + np.float32(ORIGIN[0]),
        y * np.float32(UNIT) + np.float32(ORIGIN[1]),
    )


def warp(canvas: np.ndarray, placement: Placement) -> np.ndarray:
    """`canvas` (H, W) or (H, W, 3) as seen in the placement's box; 0 outside it."""
    return cv2.remap(
        canvas,
        placement.map_x,
        placement.map_y,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )


def blend(
    frame: np.ndarray, placement: Placement, colours: np.ndarray, opacity: np.ndarray
) -> None:
    """Lay `colours` (h, w, 3) uint8 over the placement's box of `frame`, in place.

    `opacity` (h, w) is float32 in 0..1.
    """
    left, top, right, bottom = placement.box
    region = frame[top:bottom, left:right]
    region[:] = cv2.blendLinear(
        np.ascontiguousarray(colours),
        np.ascontiguousarray(region),
        opacity,
        1 - opacity,
    )


def paint_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A room out of focus behind a pair of shoulders, (H, W, 3) uint8."""
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
    room = cv2.GaussianBlur(room, (0, 0), height / 50)
    grain = cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), 1.0)
    room += (grain * 5).astype(np.float32)
    return np.clip(room, 0, 255).astype(np.uint8)


def _wall_colour(rng: np.random.Generator) -> np.ndarray:
    """A muted colour, (3,) in 20..230."""
    grey = rng.uniform(50, 200)
    return np.clip(grey + rng.normal(0, 22, 3), 20, 230)


def paint_shoulders(
    frame: np.ndarray, x: float, y: float, half_width: float, cloth: np.ndarray
) -> None:
    """Draw shoulders below a head at (x, y) px onto `frame`, in place."""
    height = frame.shape[0]
    along = np.linspace(-1, 1, 25)
    top = y + half_width * (1.55 + 0.75 * np.abs(along) ** 1.6)
    points = np.stack([x + along * half_width * 2.3, top], 1)
    floor = [[x + half_width * 2.3, height + 2], [x - half_width * 2.3, height + 2]]
    outline = (np.concatenate([points, floor]) * 16).astype(np.int32)
    paint = tuple(float(c) for c in cloth)
    cv2.fillPoly(frame, [outline], paint, cv2.LINE_AA, SHIFT)
    edge = np.add(points[8:17], [0, 2])
    shadow = tuple(float(c) * 0.75 for c in cloth)
    cv2.polylines(
        frame, [(edge * 16).astype(np.int32)], False, shadow, 2, cv2.LINE_AA, SHIFT
    )
