"""Maps in coarser squares, and a sample of them by nothing but their keys."""

import numpy as np
import pandas as pd

from pipeline.video_table import stable_number

POOLED = 32  # squares a side for what is resampled, ranked and clustered


def keep_sample(keys: pd.DataFrame, most: int) -> np.ndarray:
    """Which frames stay if at most `most` may, (N,) bool: those of the smallest hashes.

    The columns of `keys`, such as video, subject and number, tell frames apart. Neither
    order nor sharding matters: the sample of all frames is the sample of the shards'
    samples put together, so shards can be read one by one. ValueError if two rows are
    the same.
    """
    if keys.duplicated().any():
        raise ValueError("keep_sample: the keys of two frames are the same")
    names = ("\n".join(map(str, key)) for key in keys.itertuples(index=False))
    hashes = np.array([stable_number(name) for name in names], np.uint64)
    kept = np.zeros(len(keys), bool)
    kept[np.argsort(hashes, kind="stable")[:most]] = True
    return kept


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
