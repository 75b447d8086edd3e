"""Describe the appearance of a frame or a face by a histogram of its colours."""

import numpy as np

CHANNEL_LEVELS = 4  # number of levels of each colour channel
CORNERS = np.array(list(np.ndindex(2, 2, 2)))  # (8, 3): steps to neighbouring colours
SAME_OVERLAP = 0.8  # histograms with a larger overlap show the same scene or face


def colours(image: np.ndarray) -> np.ndarray:
    """Share of each of 4 x 4 x 4 colours in an image (H, W, 3) uint8: (64,) float32.

    Each pixel counts for its eight nearest colours, weighted by nearness. Thus a small
    change of brightness changes the histogram only a little.
    """
    position = image.reshape(-1, 3).astype(np.float32) * ((CHANNEL_LEVELS - 1) / 255)
    lower = np.minimum(position.astype(np.int64), CHANNEL_LEVELS - 2)
    rest = position - lower
    nearness = np.abs(1 - CORNERS - rest[:, None]).prod(2)  # (pixels, 8)
    colour = (lower[:, None] + CORNERS) @ (CHANNEL_LEVELS**2, CHANNEL_LEVELS, 1)
    counts = np.bincount(colour.ravel(), nearness.ravel(), CHANNEL_LEVELS**3)
    return (counts / max(len(position), 1)).astype(np.float32)


def scene_colours(frame: np.ndarray) -> np.ndarray:
    """`colours` of a frame (H, W, 3), from about 400 of its pixels."""
    return colours(_subsampled(frame))


def face_colours(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """`colours` of the inner part of a face box (left, top, right, bottom in px)."""
    height, width = frame.shape[:2]
    left, top, right, bottom = box
    inset_x, inset_y = 0.15 * (right - left), 0.15 * (bottom - top)
    columns = np.clip([left + inset_x, right - inset_x], 0, width - 1).astype(int)
    rows = np.clip([top + inset_y, bottom - inset_y], 0, height - 1).astype(int)
    return colours(
        _subsampled(frame[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1])
    )


def histogram_overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection of histograms (..., 64): 0 to 1 (Swain & Ballard 1991)."""
    return np.minimum(one, other).sum(-1)


def _subsampled(image: np.ndarray) -> np.ndarray:
    """About 20 rows and 20 columns of an image, at equal distances."""
    height, width = image.shape[:2]
    return image[:: max(1, height // 20), :: max(1, width // 20)]
