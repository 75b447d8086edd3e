"""Paint the still parts of a head: skin, ears, neck, hair and nose."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.videos.miniature.canvas import (
    CANVAS_SIZE,
    HALF_WIDTH_PX,
    ORIGIN_PX,
    canvas_grid,
    ellipse,
    head_radius,
    ramp,
)
from pipeline.videos.miniature.identity import Identity


@dataclass(frozen=True)
class Head:
    """The still layers of a head.

    Attributes:
        identity: whose head it is.
        paint: (H, W, 3) float32 RGB in 0..255, all but the fringe.
        opacity: (H, W) float32 in 0..1, of `paint`.
        front: (H, W, 3) float32 RGB in 0..255, the fringe, which covers the brows.
        front_opacity: (H, W, 1) float32 in 0..1, of `front`.
    """

    identity: Identity
    paint: np.ndarray
    opacity: np.ndarray
    front: np.ndarray
    front_opacity: np.ndarray


@dataclass(frozen=True)
class _Layer:
    """Colours (H, W, 3) RGB in 0..255 and their opacity (H, W) in 0..1."""

    paint: np.ndarray
    opacity: np.ndarray

    def above(self, colour: np.ndarray, cover: np.ndarray) -> "_Layer":
        """This layer above a `colour` (H, W, 3) with the opacity `cover` (H, W)."""
        share = self.opacity[..., None]
        paint = self.paint * share + colour * (1 - share)
        return _Layer(paint, np.maximum(self.opacity, cover))


def paint_head(identity: Identity, light: tuple[float, float]) -> Head:
    """Paint the still parts of a head.

    `light` is the direction to the lamp in the plane of the canvas, x and y in -1..1.
    """
    x, y = canvas_grid()
    radius = head_radius(identity, x, y)
    shade = _shade(_relief(identity, radius), light)
    fine = _texture(identity.texture_seed, (0.8, 1.6, 5.0))
    skin = identity.skin * np.ones((*x.shape, 3), np.float32)
    left, right = (_blob((side * 0.5, 0.3), (0.3, 0.25)) for side in (-1, 1))
    blush = 0.5 * (left + right)
    skin += blush[..., None] * np.array([12, -10, -8])
    skin += fine[..., None] * np.array([4.5, 4.0, 3.6])
    skin -= _freckles(identity)[..., None] * np.array([30, 34, 30])
    stubble = identity.beard * ramp(0.38 - y + 0.35 * (1 - np.abs(x)), 0.25)
    stubble *= 0.75 + 0.25 * _texture(identity.texture_seed + 1, (0.7,))
    skin = skin * (1 - stubble[..., None]) + identity.hair * stubble[..., None]
    skin *= shade[..., None]
    hair_colour, hair, fringe = _hair(identity, shade)
    layer = _Layer(skin, ramp(radius - 1))
    layer = layer.above(*_ears(identity, shade))
    layer = layer.above(*_neck(identity))
    layer = layer.above(hair_colour, hair)
    paint = layer.paint.astype(np.float32)
    _draw_nose(paint, identity)
    return Head(
        identity,
        paint,
        layer.opacity.astype(np.float32),
        hair_colour.astype(np.float32),
        fringe[..., None].astype(np.float32),
    )


def _relief(identity: Identity, radius: np.ndarray) -> np.ndarray:
    """Height of the face above the plane of the canvas, (H, W) in head units.

    `radius` (H, W) is the distance from the head's centre, 1 on its outline.
    """
    x, y = canvas_grid()
    eye, mouth = identity.eye_height, identity.mouth_height
    tip = eye + identity.nose_length
    relief = 0.95 * np.sqrt(np.clip(1 - np.minimum(radius, 0.985) ** 2, 0, 1))
    along = np.clip((y - eye) / identity.nose_length, 0, 1.2)
    bridge = 0.30 * along * ramp(y - tip - 0.03, 0.12) * ramp(eye - 0.05 - y, 0.2)
    width = identity.nose_width * (0.40 + 0.45 * along)
    relief += bridge * np.exp(-((x / width) ** 2))
    for side in (-1, 1):
        centre = side * identity.eye_distance
        relief -= 0.10 * _blob((centre, eye), (0.20, 0.12))
        relief += 0.05 * _blob((centre, eye - 0.25), (0.26, 0.10))
        relief += 0.06 * _blob((side * 0.50, tip - 0.08), (0.24, 0.20))
        wing = side * identity.nose_width * 0.75
        relief += 0.07 * _blob((wing, tip - 0.02), (0.07, 0.06))
        relief -= 0.03 * _blob(
            (side * (identity.mouth_width + 0.06), mouth), (0.06, 0.1)
        )
    relief += 0.07 * _blob((0, mouth), (0.36, 0.16))
    relief -= 0.05 * _blob((0, mouth + 0.19), (0.22, 0.06))
    relief += 0.07 * _blob((0, mouth + 0.36), (0.24, 0.14))
    return relief


def _shade(relief: np.ndarray, light: tuple[float, float]) -> np.ndarray:
    """Brightness (H, W) of a matt surface under a lamp and diffuse light.

    `relief` (H, W) is its height in head units. `light` is the direction to the lamp in
    the plane of the canvas, x and y in -1..1.
    """
    relief = cv2.GaussianBlur(relief.astype(np.float32), (0, 0), 1.5)
    slope_y, slope_x = np.gradient(relief, 1 / HALF_WIDTH_PX)
    lamp = np.array([light[0], light[1], 1.1])
    lamp /= np.linalg.norm(lamp)
    facing = lamp[2] - lamp[0] * slope_x - lamp[1] * slope_y
    facing /= np.sqrt(1 + slope_x**2 + slope_y**2)
    around = cv2.GaussianBlur(relief, (0, 0), 12)  # hollows get less diffuse light
    diffuse = 0.42 + 0.9 * np.clip(relief - around, -0.12, 0.06)
    return diffuse + 0.62 * np.clip(facing, 0, 1)


def _freckles(identity: Identity) -> np.ndarray:
    """Density of freckles on nose and cheeks, (H, W) in 0..1."""
    spots = np.clip(_texture(identity.texture_seed + 2, (1.3,)) - 1.6, 0, 1)
    where = _blob((0, 0.18), (0.7, 0.28))
    return identity.freckles * spots * where


def _blob(centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """A Gaussian spot (H, W) with a peak of 1; centre and radii are in head units."""
    x, y = canvas_grid()
    dx, dy = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return np.exp(-(dx**2 + dy**2))


def _texture(seed: int, sigmas: tuple[float, ...]) -> np.ndarray:
    """Noise (H, W) float32 of unit variance, blurred with each of `sigmas` in px."""
    rng = np.random.default_rng(seed)
    total = np.zeros(CANVAS_SIZE[::-1], np.float32)
    for sigma in sigmas:
        noise = rng.standard_normal(CANVAS_SIZE[::-1]).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigma) if sigma else noise
        total += noise / noise.std()
    return total / total.std()


def _ears(identity: Identity, shade: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) and opacity (H, W) of the ears."""
    x, y = canvas_grid()
    ear = np.zeros_like(x)
    for side in (-1, 1):
        ring = ((x - side * 0.99) / 0.11) ** 2 + ((y - 0.02) / 0.24) ** 2
        ear = np.maximum(ear, ramp(ring - 1, 0.15))
    colour = identity.skin * (0.72 + 0.1 * shade[..., None])
    return colour, ear


def _neck(identity: Identity) -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) and opacity (H, W) of the neck."""
    x, y = canvas_grid()
    neck = ramp(np.abs(x) - 0.50 - 0.1 * np.clip(y - 1.2, 0, 1)) * ramp(0.6 - y)
    colour = identity.skin * (0.62 + 0.1 * np.clip(y - 1.1, 0, 1))[..., None]
    return colour, neck


def _hair(
    identity: Identity, shade: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour (H, W, 3) of hair; opacity (H, W) around the head, and of the fringe."""
    x, y = canvas_grid()
    rng = np.random.default_rng(identity.texture_seed + 3)
    strands = rng.standard_normal((1, CANVAS_SIZE[0])).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), 1.2).repeat(CANVAS_SIZE[1], 0)
    wavy = (x * HALF_WIDTH_PX + ORIGIN_PX[0] + 14 * x * y).astype(np.float32)
    rows = np.arange(CANVAS_SIZE[1], dtype=np.float32)[:, None].repeat(
        CANVAS_SIZE[0], 1
    )
    strands = cv2.remap(strands, wavy, rows, cv2.INTER_LINEAR)
    strands = strands / strands.std()
    colour = identity.hair * (0.55 + 0.45 * shade + 0.10 * strands)[..., None]
    volume = identity.hair_volume
    around = ramp(head_radius(identity, x, y + 0.1, grow=volume) - 1, 0.05)
    around *= ramp(y - 0.25 + 0.15 * np.abs(x), 0.3)
    line = identity.fringe + 0.38 * np.abs(x) ** 2.2 + 0.02 * strands
    fringe = ramp(y - line, 0.16) * ramp(
        head_radius(identity, x, y, grow=1.02) - 1, 0.04
    )
    temple = ramp(0.86 - np.abs(x), 0.1) * ramp(y - 0.1, 0.2)
    fringe = np.maximum(fringe, temple * ramp(head_radius(identity, x, y) - 1.02, 0.04))
    return colour, around, fringe


def _draw_nose(canvas: np.ndarray, identity: Identity) -> None:
    tip = identity.eye_height + identity.nose_length
    dark = identity.skin * 0.55
    for side in (-1, 1):
        x = side * identity.nose_width * 0.48
        ellipse(canvas, (x, tip), (0.05, 0.026), dark * 0.75)
        wing = side * identity.nose_width * 0.85
        start = (-70, 70) if side > 0 else (110, 250)
        centre, radii = (wing, tip - 0.03), (0.05, 0.07)
        ellipse(canvas, centre, radii, dark, angles=(0, *start), thickness=1)
