"""Test where two mean maps differ, from bootstrap resamples of units."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

SIGNIFICANCE_LEVEL = 0.05
MIN_TESTED_UNITS = 5  # with fewer, no difference is called significant
SPREAD_POINTS = 20_000  # quantiles that represent the distribution of standard errors


def significant_difference(
    difference: np.ndarray, replicates: np.ndarray, units: int
) -> np.ndarray:
    """Where a difference of means (P,) is not zero, at 5 % over all P values together.

    `replicates` (B, P) are the resampled values of the difference. Resamples that are
    not finite are left out.

    The threshold is the 95 % quantile of the largest |t| of the centred resamples
    (Westfall and Young 1993, single-step maxT). t is the difference divided by the sum
    of its standard error and the median of all standard errors (Tusher, Tibshirani and
    Chu 2001). Thus a value does not become significant only because it hardly varies.
    The threshold is higher for few `units`, whose standard errors are uncertain
    (`widened_threshold`).

    Returns (P,) bool; all are False with fewer than MIN_TESTED_UNITS units.
    """
    known = replicates[np.isfinite(replicates).all(1)]
    nowhere = np.zeros(len(difference), bool)
    if units < MIN_TESTED_UNITS or len(known) < 2 / SIGNIFICANCE_LEVEL:
        return nowhere
    error = known.std(0, ddof=1)
    error += np.median(error)
    if not error.all():
        return nowhere
    largest = np.abs((known - known.mean(0)) / error).max(1)
    threshold = float(np.quantile(largest, 1 - SIGNIFICANCE_LEVEL, method="higher"))
    return np.abs(difference) / error > widened_threshold(threshold, units)


def widened_threshold(threshold: float, units: int) -> float:
    """Raise the threshold of |t| for standard errors from few units.

    The resamples treat standard errors as known. Estimated from n units they
    scatter like sqrt(chi2(n - 1) / n), and a small estimate makes |t| large. Returns
    the threshold that |t| with estimated errors exceeds as rarely as `threshold` is
    exceeded with known errors. It is exact for normal data with equal true errors.
    There, the median error in the denominator doubles the error, so that t exceeds
    `threshold` as rarely as a standard normal exceeds 2 * `threshold`.
    """
    chances = (np.arange(SPREAD_POINTS) + 0.5) / SPREAD_POINTS
    spread = np.sqrt(chi2.ppf(chances, units - 1) / units)
    errors = spread + np.median(spread)
    rare = norm.logsf(2 * threshold)

    def surplus(wider: float) -> float:
        logs = norm.logsf(wider * errors)
        return float(np.logaddexp.reduce(logs) - np.log(len(logs)) - rare)

    return float(brentq(surplus, threshold / 2, 20 * threshold))
