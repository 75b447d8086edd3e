"""Paint what stays still of a head: skin, ears, neck, hair and nose."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.videos.miniature.canvas import (
    CANVAS,
    ORIGIN,
    UNIT,
    canvas_grid,
    ellipse,
    head_radius,
    soft,
)
from pipeline.videos.miniature.identity import Identity


@dataclass(frozen=True)
class Head:
    """The still layers of a head: paint (H, W, 3) float32, its opacity (H, W) 0..1."""

    identity: Identity
    paint: np.ndarray
    opacity: np.ndarray
    front: np.ndarray  # (H, W, 3) float32: fringe, drawn over brows
    front_opacity: np.ndarray  # (H, W, 1)


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


def _draw_nose(canvas: np.ndarray, identity: Identity) -> None:
    tip = identity.eye_height + identity.nose_length
    dark = identity.skin * 0.55
    for side in (-1, 1):
        x = side * identity.nose_width * 0.48
        ellipse(canvas, (x, tip), (0.05, 0.026), dark * 0.75)
        wing = side * identity.nose_width * 0.85
        start = (-70, 70) if side > 0 else (110, 250)
        ellipse(canvas, (wing, tip - 0.03), (0.05, 0.07), dark, (0, *start), 1)
