"""What a frame or a face looks like, as a histogram of its colours."""

import numpy as np

LEVELS = 4  # of each colour channel
CORNERS = np.array(list(np.ndindex(2, 2, 2)))  # (8, 3): from a colour to the next ones
ALIKE = 0.8  # overlap from which two histograms are taken to show the same thing


def colours(image: np.ndarray) -> np.ndarray:
    """Share of each of 4 x 4 x 4 colours in an image (H, W, 3) uint8: (64,) float32.

    Each pixel counts for the eight colours about its own, by nearness, so that a little
    more light does not move all pixels from one colour to the next at once.
    """
    place = image.reshape(-1, 3).astype(np.float32) * ((LEVELS - 1) / 255)
    low = np.minimum(place.astype(np.int64), LEVELS - 2)
    part = place - low
    nearness = np.abs(1 - CORNERS - part[:, None]).prod(2)  # (pixels, 8)
    colour = (low[:, None] + CORNERS) @ (LEVELS**2, LEVELS, 1)
    counts = np.bincount(colour.ravel(), nearness.ravel(), LEVELS**3)
    return (counts / max(len(place), 1)).astype(np.float32)


def scene_colours(frame: np.ndarray) -> np.ndarray:
    """`colours` of a whole frame (H, W, 3), from some 400 of its pixels."""
    return colours(_thinned(frame))


def face_colours(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """`colours` of the middle of a face box (left, top, right, bottom px)."""
    height, width = frame.shape[:2]
    left, top, right, bottom = box
    inset_x, inset_y = 0.15 * (right - left), 0.15 * (bottom - top)
    columns = np.clip([left + inset_x, right - inset_x], 0, width - 1).astype(int)
    rows = np.clip([top + inset_y, bottom - inset_y], 0, height - 1).astype(int)
    return colours(_thinned(frame[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]))


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share that histograms (..., 64) have in common: 0 to 1 (Swain & Ballard 1991)."""
    return np.minimum(one, other).sum(-1)


def _thinned(image: np.ndarray) -> np.ndarray:
    """Every n-th row and column: about 20 of each."""
    height, width = image.shape[:2]
    return image[:: max(1, height // 20), :: max(1, width // 20)]
