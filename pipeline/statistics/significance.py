"""Resample people: intervals of sums over maps, and where two mean maps differ.

A Poisson bootstrap (Chamandy, Muralidharan, Najmi and Naidu 2012): each identity enters
a resample as often as a Poisson(1) number says, which is a function of its name alone,
so that it can be streamed, merged, and paired over detectors.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

LEVEL = 0.05
FEWEST = 5  # identities below whom nothing is called significant
SPREAD_POINTS = 20_000  # at which the spread of standard errors is taken


def significant_difference(
    difference: np.ndarray, replicates: np.ndarray, identities: int
) -> np.ndarray:
    """Where a difference of means (P,) is not zero, at 5 % over all P at once.

    `replicates` (B, P) are the difference's resampled values. By the distribution of
    the largest |t| of the centred resamples (Westfall and Young 1993, single-step
    maxT), where t is the difference over its standard error and the median of all
    standard errors (Tusher, Tibshirani and Chu 2001): what hardly varies is not large
    by that alone. The bound allows for standard errors of few `identities` being none
    too sure; with fewer than FEWEST nothing is different. Returns (P,) bool.
    """
    known = replicates[np.isfinite(replicates).all(1)]
    nowhere = np.zeros(len(difference), bool)
    if identities < FEWEST or len(known) < 2 / LEVEL:
        return nowhere
    error = known.std(0, ddof=1)
    error += np.median(error)
    if not error.all():
        return nowhere
    largest = np.abs((known - known.mean(0)) / error).max(1)
    bound = np.quantile(largest, 1 - LEVEL, method="higher")
    return np.abs(difference) / error > bound_of_few(bound, identities)


def bound_of_few(bound: float, identities: int) -> float:
    """The bound on |t| that is passed as rarely as `bound` is in the resamples.

    In these, errors are what they are; over samples of n identities they vary as
    sqrt(chi2(n - 1) / n) does, and small ones make large t. Of normal values whose
    errors are equal in truth, t passes `bound` with the chance of a normal beyond twice
    it, the median error being in the denominator again.
    """
    chances = (np.arange(SPREAD_POINTS) + 0.5) / SPREAD_POINTS
    spread = np.sqrt(chi2.ppf(chances, identities - 1) / identities)
    errors = spread + np.median(spread)
    rare = norm.logsf(2 * bound)

    def surplus(wider: float) -> float:
        logs = norm.logsf(wider * errors)
        return np.logaddexp.reduce(logs) - np.log(len(logs)) - rare

    return float(brentq(surplus, bound / 2, 20 * bound))
