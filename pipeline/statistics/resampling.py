"""Resample units: the bootstrap of metrics, ledgers, mask scores, clusters and maps.

Items of one unit, such as the videos of a pair of persons, are alike and are drawn
together. In a Poisson bootstrap (Chamandy, Muralidharan, Najmi and Naidu 2012) each
unit enters a resample as often as a Poisson(1) number says. Here this number depends
only on the seed and on the unit's name. So metrics, maps and different detectors are
compared on the same resamples.

In some data sets each source is inserted into many targets, and no division into
independent units exists. Their items have a second unit, the source, and the weight of
an item is the product of both units' numbers (Owen and Eckles 2012, "Bootstrapping data
arrays of arbitrary order"). Both depend on names of persons: a person has one number in
each resample, as a target and as a source.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import norm, skew, t

from pipeline.statistics.seeds import named_generator

UNIT_COLUMNS = ["unit", "second_unit"]  # `second_unit` is "" if there is none
MIN_UNITS = 8  # with fewer, an interval is NaN
MAX_WEIGHTS = 4_000_000  # number of floating point weights in memory at once
KEPT_NUMBERS = 512  # units whose numbers are kept in memory

Units = tuple[str, str]  # the unit and the second unit of an item


def weights(units: Sequence[Units], resamples: int, seed: int) -> np.ndarray:
    """How often each of n items is in each of R resamples: (R, n) uint8."""
    found = np.empty((resamples, len(units)), np.uint8)
    for column, (first, second) in enumerate(units):
        found[:, column] = _numbers(first, resamples, seed)
        if second:
            found[:, column] *= _numbers(second, resamples, seed)
    return found


@lru_cache(maxsize=KEPT_NUMBERS)
def _numbers(unit: str, resamples: int, seed: int) -> np.ndarray:
    return named_generator(seed, unit).poisson(1.0, resamples).astype(np.uint8)


def units_of(items: pd.DataFrame) -> list[Units]:
    """The units of each row of a table with UNIT_COLUMNS."""
    return list(items[UNIT_COLUMNS].itertuples(index=False, name=None))


def count_units(units: Iterable[Units]) -> int:
    """The number of independent units, for names that begin with `<dataset>/`.

    The crossed units of a data set, those of items with a second unit, count as the
    smaller of the numbers of targets and of sources.
    """
    units = set(units)
    crossed = [pair for pair in units if pair[1]]
    persons = {unit for pair in crossed for unit in pair}
    count = len({first for first, second in units if not second} - persons)
    for dataset in {first.split("/")[0] for first, _ in crossed}:
        own = [pair for pair in crossed if pair[0].split("/")[0] == dataset]
        count += min(len(set(ends)) for ends in zip(*own, strict=True))
    return count


@dataclass(frozen=True)
class Replicates:
    """Sums over frames in each of R resamples, of P values for each frame.

    They can be merged, so that memory does not grow with the number of frames.
    """

    total: np.ndarray  # (R, P) float64: weighted sums of the values
    frames: np.ndarray  # (R,) float64: sums of the weights

    @classmethod
    def of(cls, values: np.ndarray, drawn: np.ndarray) -> "Replicates":
        """The sums for frames of the same units: values (n, P), their weights (R,)."""
        drawn = drawn.astype(np.float64)
        return cls(np.outer(drawn, values.sum(0)), drawn * len(values))

    def merged(self, other: "Replicates") -> "Replicates":
        """The sums over the frames of both."""
        return Replicates(self.total + other.total, self.frames + other.frames)

    def linearised_means(self, mean: np.ndarray) -> np.ndarray:
        """Means over frames (R, P) float64, linearised about the `mean` (P,).

        A resample with few frames is not further from the mean than its weights are
        from one: the deviation of its mean is multiplied by its share of the expected
        number of frames. So a resample without frames has the mean itself. `means`, the
        ratio, has much heavier tails for few units, which would decide the largest |t|
        of all pictures of a run.
        """
        expected = self.frames.mean()
        return mean + (self.total - self.frames[:, None] * mean) / expected

    def means(self) -> np.ndarray:
        """Means over frames (R, P) float64; NaN for a resample without frames."""
        return _ratio(self.total, self.frames[:, None])


def resampled_means(
    values: np.ndarray, units: Sequence[Units], resamples: int, seed: int
) -> np.ndarray:
    """Means (R, P) over items in each resample; `values` is (n, P).

    A NaN among the values does not count. The mean is NaN if a resample has no value.
    """
    names = sorted(set(units))
    place = {name: number for number, name in enumerate(names)}
    member = np.array([place[name] for name in units], int)
    totals, counts = np.zeros((2, len(names), values.shape[1]))
    np.add.at(totals, member, np.nan_to_num(values))
    np.add.at(counts, member, np.isfinite(values))
    drawn = weights(names, resamples, seed)
    step = max(1, MAX_WEIGHTS // len(names))
    parts = []
    for start in range(0, resamples, step):
        part = drawn[start : start + step].astype(np.float64)
        parts.append(_ratio(part @ totals, part @ counts))
    return np.concatenate(parts)


def _ratio(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return totals / np.where(counts > 0, counts, np.nan)


def interval(value: float, resampled: np.ndarray, units: int) -> tuple[float, float]:
    """The 95 % interval (low, high) of `value`, from its resampled values (R,).

    It is the bias-corrected and accelerated interval (Efron 1987, "Better bootstrap
    confidence intervals", section 2). The acceleration is a sixth of the skewness of
    the resampled values, which holds for means. Its quantiles are moved outwards for
    few units, as those of Student's t distribution (Hesterberg 2015, "What teachers
    should know about the bootstrap", section 5.3).

    benchmarks/inference_coverage.py simulates the coverage: 93 to 96 % from 8 units on,
    for values with a skewness of up to 2; 91 to 93 % for a skewness of 6.

    Resampled values that are not finite are left out. Both bounds are NaN with fewer
    than MIN_UNITS units, if `value` is not finite, or if it lies outside of the
    resampled values.
    """
    value, known = (
        round(value, 12),
        np.sort(resampled[np.isfinite(resampled)].round(12)),
    )
    if units < MIN_UNITS or not len(known) or not known[0] <= value <= known[-1]:
        return np.nan, np.nan
    below = ((known < value).mean() + (known <= value).mean()) / 2
    limit = 1 / (2 * len(known))
    bias = norm.ppf(np.clip(below, limit, 1 - limit))
    acceleration = skew(known) / 6 if known[0] < known[-1] else 0.0
    reach = np.sqrt(units / (units - 1)) * t.ppf(0.975, units - 1)
    moved = bias + np.array([-reach, reach])
    shares = norm.cdf(bias + moved / np.maximum(1 - acceleration * moved, 0.1))
    low, high = np.quantile(known, shares, method="inverted_cdf")
    return float(low), float(high)


def unit_correlation(values: np.ndarray, units: Sequence[str]) -> float:
    """The correlation of values (n,) within units: the intraclass correlation.

    It is the estimate of the one-way analysis of variance for units of unequal sizes
    (Donner 1986, "A review of inference procedures for the intraclass correlation
    coefficient in the one-way random effects model", section 2). It is 0 if items of
    one unit are not more alike than others, and 1 if they are equal. NaN if all values
    are equal, or with fewer than MIN_UNITS units that have two items or more: the
    estimate is then too uncertain.
    """
    member, sizes = np.unique(units, return_inverse=True, return_counts=True)[1:]
    count, groups = len(values), len(sizes)
    if (sizes > 1).sum() < MIN_UNITS:
        return np.nan
    means = np.bincount(member, values) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum() / (groups - 1)
    within = ((values - means[member]) ** 2).sum() / (count - groups)
    usual_size = (count - (sizes**2).sum() / count) / (groups - 1)
    total = between + (usual_size - 1) * within
    return float((between - within) / total) if total > 0 else np.nan
