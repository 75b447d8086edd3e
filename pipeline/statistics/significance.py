"""Test where mean maps differ, over all pictures of a run together.

A picture is a difference of two mean maps, or a mean map by itself, with its bootstrap
resamples of units. All pictures of a run have the same resamples (`resampling.weights`
depends on the seed and on the units' names only). So the largest |t| over all pictures
is known for each resample, and one threshold holds for all of them: in at most 5 % of
runs in which nothing differs, anything is called significant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

SIGNIFICANCE_LEVEL = 0.05
MIN_TESTED_UNITS = 5  # with fewer, no difference is called significant
SPREAD_POINTS = 20_000  # quantiles that represent the distribution of standard errors


@dataclass(frozen=True)
class Picture:
    """A difference that is tested in P places.

    Attributes:
        statistics: (P,) float64: |t| of each place.
        largest: (B,) float64: the largest |t| of each centred resample; NaN for a
            resample that has no value.
        units: the number of units that the difference is estimated from.
    """

    statistics: np.ndarray
    largest: np.ndarray
    units: int

    def significant(self, threshold: float) -> np.ndarray:
        """Where the difference is not zero, (P,) bool, for a `joint_threshold`.

        The threshold is raised for few units (`widened_threshold`).
        """
        return self.statistics > widened_threshold(threshold, self.units)


def picture(
    difference: np.ndarray, replicates: np.ndarray, units: int
) -> Picture | None:
    """A difference of means (P,) with its resampled values `replicates` (B, P).

    t is the difference divided by the sum of its standard error and the median of all
    standard errors (Tusher, Tibshirani and Chu 2001). Thus a value does not become
    significant only because it hardly varies. Resamples that are not finite are left
    out. Returns None if nothing can be tested: with fewer than MIN_TESTED_UNITS units,
    with fewer than 40 finite resamples, or if a standard error is zero.
    """
    known = np.isfinite(replicates).all(1)
    if units < MIN_TESTED_UNITS or known.sum() < 2 / SIGNIFICANCE_LEVEL:
        return None
    values = replicates[known].astype(np.float64)
    error = values.std(0, ddof=1)
    error += np.median(error)
    if not error.all():
        return None
    largest = np.full(len(replicates), np.nan)
    largest[known] = np.abs((values - values.mean(0)) / error).max(1)
    return Picture(np.abs(difference) / error, largest, units)


def joint_threshold(pictures: Iterable[Picture]) -> float:
    """The threshold of |t| for all pictures together, at 5 %; NaN without pictures.

    It is the 95 % quantile of the largest |t| over all pictures in each resample
    (Westfall and Young 1993, single-step maxT). All pictures need the same number of
    resamples, of the same seed.
    """
    rows = [one.largest for one in pictures]
    if not rows:
        return np.nan
    stacked = np.stack(rows)
    known = stacked[:, np.isfinite(stacked).any(0)]
    largest = np.nanmax(known, axis=0)
    return float(np.quantile(largest, 1 - SIGNIFICANCE_LEVEL, method="higher"))


def widened_threshold(threshold: float, units: int) -> float:
    """Raise the threshold of |t| for standard errors from few units.

    The resamples treat standard errors as known. Estimated from n units they
    scatter like sqrt(chi2(n - 1) / n), and a small estimate makes |t| large. Returns
    the threshold that |t| with estimated errors exceeds as rarely as `threshold` is
    exceeded with known errors. It is exact for normal data with equal true errors.
    There, the median error in the denominator doubles the error, so that t exceeds
    `threshold` as rarely as a standard normal exceeds 2 * `threshold`.
    """
    errors = _estimated_errors(units)
    rare = norm.logsf(2 * threshold)

    def surplus(wider: float) -> float:
        logs = norm.logsf(wider * errors)
        return float(np.logaddexp.reduce(logs) - np.log(len(logs)) - rare)

    return float(brentq(surplus, threshold / 2, 20 * threshold))


@lru_cache(maxsize=64)
def _estimated_errors(units: int) -> np.ndarray:
    """Quantiles of estimated standard errors plus their median, where the true error is
    1: (SPREAD_POINTS,) float64."""
    chances = (np.arange(SPREAD_POINTS) + 0.5) / SPREAD_POINTS
    spread = np.sqrt(chi2.ppf(chances, units - 1) / units)
    return spread + np.median(spread)
