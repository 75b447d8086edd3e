"""Maps at coarser scales, and maps of different strength on one scale."""

import cv2
import numpy as np

from pipeline.statistics.pooling import pool_maps, square_weights

BLUR_SIGMA = 1 / 64  # as a share of the side, before a map is shown
# The scales at which heats are scored: single pixels; the blur with which maps are
# shown; the squares that are tested and clustered.
PIXELS, BLUR, SQUARES = "pixels", "blur", "squares"
SCALES = (PIXELS, BLUR, SQUARES)


def smooth(heatmap: np.ndarray) -> np.ndarray:
    """Blur a map (S, S) a little before it is shown, because single pixels are
    noise."""
    return cv2.GaussianBlur(heatmap, (0, 0), heatmap.shape[0] * BLUR_SIGMA)


def at_scale(heat: np.ndarray, scale: str) -> np.ndarray:
    """A heat (S, S) at one of SCALES: (S, S), or (P, P) in squares."""
    if scale == BLUR:
        return smooth(heat.astype(np.float32))
    return pool_maps(heat) if scale == SQUARES else heat


def mask_at_scale(mask: np.ndarray, scale: str) -> np.ndarray:
    """A mask (S, S) of 0 and 1 at one of SCALES.

    A square is in the mask if at least half of its area is.
    """
    if scale != SQUARES:
        return mask
    return (share_of_squares(mask) >= 0.5).astype(np.uint8)


def share_of_squares(mask: np.ndarray) -> np.ndarray:
    """The mean of a mask (S, S) over each square, (P, P) float64."""
    area = square_weights(len(mask)).sum(1)
    return pool_maps(mask) / np.outer(area, area)


def norms(pooled: np.ndarray) -> np.ndarray:
    """The L1 norms of maps in squares (..., P, P), (..., 1, 1) float64; 1 if 0."""
    found = np.abs(pooled).sum((-2, -1), keepdims=True, dtype=np.float64)
    return np.where(found > 0, found, 1.0)


def on_one_scale(pooled: np.ndarray) -> np.ndarray:
    """Maps in squares (..., P, P), each divided by its L1 norm: float64."""
    return pooled / norms(pooled)
