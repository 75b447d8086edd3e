"""Maps in coarser squares, and a sample of them by nothing but their keys."""

import numpy as np

POOLED = 32  # squares a side for what is resampled, ranked and clustered


def pooled(map: np.ndarray, side: int = POOLED) -> np.ndarray:
    """Maps (..., G, G) summed into squares: (..., side, side) float64, the same sum.

    A pixel on the border of two squares is shared out by area. Where G is smaller than
    `side`, maps stay as they are.
    """
    size = map.shape[-1]
    if size <= side:
        return map.astype(np.float64)
    edges = np.linspace(0, size, side + 1)
    pixels = np.arange(size)
    reach = np.minimum(pixels + 1, edges[1:, None])  # (side, G)
    weights = np.clip(reach - np.maximum(pixels, edges[:-1, None]), 0, None)
    return weights @ map.astype(np.float64) @ weights.T
