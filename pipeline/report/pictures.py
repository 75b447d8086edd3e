"""Pictures inside the page: WebP as data URIs."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

MAX_WIDTH = 1100  # px of a figure in the page
MAX_HEIGHT = 16_000  # px: WebP allows 16,383
QUALITY = 55  # of WebP, 0..100
EFFORT = 3  # of WebP, 0..6
# For runs whose results are on several pages anyway, time counts more than size.
FAST_EFFORT = 0
KEPT_BYTES = 250_000  # a PNG file of at most this size is embedded as it is
Image.MAX_IMAGE_PIXELS = None  # figures are ours: contact sheets may be large


@dataclass(frozen=True)
class Picture:
    """A picture as it is embedded: its data URI, and its size in px."""

    uri: str
    width: int
    height: int


def read_figure(path: Path, *, fast: bool = False) -> Picture:
    """Read a PNG file and make it small; with `fast`, a small file stays as it is.

    Raises OSError if it cannot be read.
    """
    with Image.open(path) as file:
        if fast and path.stat().st_size <= KEPT_BYTES:
            text = base64.b64encode(path.read_bytes()).decode("ascii")
            return Picture(f"data:image/png;base64,{text}", *file.size)
        file.thumbnail((MAX_WIDTH, MAX_HEIGHT), Image.Resampling.BOX)
        return encode(file.convert("RGB"), FAST_EFFORT if fast else EFFORT)


def from_array(pixels: np.ndarray) -> Picture:
    """A picture of uint8 pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA."""
    return encode(Image.fromarray(pixels), EFFORT)


def encode(picture: Image.Image, effort: int) -> Picture:
    """Embed a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=effort, alpha_quality=60)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/webp;base64,{text}", *picture.size)


def squares_uri(squares: np.ndarray) -> str:
    """Squares (P, P) bool as a picture of P x P px: grey where they are False, else
    transparent. The page draws it larger, with sharp edges."""
    pixels = np.zeros((*squares.shape, 4), np.uint8)
    pixels[~squares] = (90, 90, 90, 150)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
