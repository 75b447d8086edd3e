"""Intervals from bootstrap resamples."""

import numpy as np

MAX_WEIGHTS = 4_000_000  # weights in memory at once


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled values; NaN where no resample had both classes."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
    return round(float(low), 12), round(float(high), 12)  # 1, not 0.9999999999999999
