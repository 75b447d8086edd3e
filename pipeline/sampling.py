"""Which frames to take of many."""

import numpy as np


def evenly_spaced(total: int, wanted: int) -> np.ndarray:
    """Numbers of `wanted` frames spread over `total`: the middles of equal stretches.

    Returns (min(wanted, total),) int32, increasing and without repeats.
    """
    count = min(wanted, total)
    return ((2 * np.arange(count) + 1) * total // (2 * count)).astype(np.int32)
