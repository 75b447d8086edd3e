"""Confidence intervals from bootstrap resamples."""

import numpy as np

MAX_WEIGHTS = 4_000_000  # number of resampling weights in memory at once


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval (low, high) of resampled values.

    Values that are not finite are left out. Both bounds are NaN if no value is finite.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
    return round(float(low), 12), round(float(high), 12)  # 1, not 0.9999999999999999
