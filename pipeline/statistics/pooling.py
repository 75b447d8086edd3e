"""Attribution maps summed over coarser squares."""

import numpy as np

POOLED_SIDE = 32  # squares on each side, for what is resampled, ranked and clustered


def pool_maps(maps: np.ndarray, side: int = POOLED_SIDE) -> np.ndarray:
    """Sum maps (..., G, G) over squares: (..., side, side) float64, with the same sum.

    A pixel on the border of two squares is divided between them by area. If G is at
    most `side`, the maps keep their size.
    """
    weights = square_weights(maps.shape[-1], side)
    return weights @ maps.astype(np.float64) @ weights.T


def square_weights(size: int, side: int = POOLED_SIDE) -> np.ndarray:
    """The part that each square of a row has of each pixel, (side, size) float64.

    If `size` is at most `side`, each pixel is a square.
    """
    if size <= side:
        return np.eye(size)
    edges = np.linspace(0, size, side + 1)
    pixels = np.arange(size)
    ends = np.minimum(pixels + 1, edges[1:, None])
    return np.clip(ends - np.maximum(pixels, edges[:-1, None]), 0, None)
