"""Which frames to take of many."""

import numpy as np
import pandas as pd

from pipeline.statistics.seeds import stable_number


def evenly_spaced(total: int, wanted: int) -> np.ndarray:
    """Numbers of `wanted` frames spread over `total`: the middles of equal stretches.

    Returns (min(wanted, total),) int32, increasing and without repeats.
    """
    count = min(wanted, total)
    return ((2 * np.arange(count) + 1) * total // (2 * count)).astype(np.int32)


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
