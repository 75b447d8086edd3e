"""Coverage of intervals and error rates of marked squares, by simulation.

    python -m benchmarks.inference_coverage [--runs 2000]

Prints three tables. *Coverage*: how often the 95 % interval of a mean holds the true
mean, by the number of units and the skewness of their values. *False pictures*: how
often any of 256 squares is marked although none differs, by the number of pairs and
the correlation between the two persons of a pair; beside it, the same if persons are
resampled instead of pairs, for the most pairs. *Found*: how often a planted difference
of one square is marked, in standard deviations between pairs.
"""

import argparse

import numpy as np
import pandas as pd

from pipeline.statistics.resampling import interval, resampled_means
from pipeline.statistics.significance import significant_difference

SQUARES = 256
RESAMPLES = 400  # of maps
METRIC_RESAMPLES = 1000
UNITS = (8, 12, 20, 35, 70)
PAIRS = (5, 8, 12, 30, 70)
CORRELATIONS = (0.0, 0.3, 0.5)
EFFECTS = (0.8, 1.0, 1.2)  # standard deviations between pairs
PLANTED_PAIRS = 30


def names(count: int) -> list[tuple[str, str]]:
    return [(f"u{number}", "") for number in range(count)]


def draw(skewness: float, shape: tuple[int, int], rng: np.random.Generator) -> tuple:
    """Values of a distribution with this skewness, and its mean."""
    if skewness == 0:
        return rng.normal(size=shape), 0.0
    if skewness < 0:
        values, mean = draw(-skewness, shape, rng)
        return -values, -mean
    if skewness > 2:
        return rng.lognormal(size=shape), np.exp(0.5)  # skewness 6.2
    return rng.gamma(4 / skewness**2, size=shape), 4 / skewness**2


def coverage(runs: int) -> pd.DataFrame:
    """A row for each skewness, a column for each number of units."""
    rows = {}
    for skewness in (0.0, 1.0, 2.0, -2.0, 6.2):
        rng = np.random.default_rng(0)
        for count in UNITS:
            inside = 0
            for seed in range(runs):
                values, mean = draw(skewness, (count, 1), rng)
                drawn = resampled_means(values, names(count), METRIC_RESAMPLES, seed)
                low, high = interval(values.mean(), drawn[:, 0], count)
                inside += low <= mean <= high
            rows[skewness, count] = inside / runs
    return pd.Series(rows).unstack()


def maps_of(pairs: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """The maps of two persons of each pair: (pairs, 2, SQUARES)."""
    shared = rng.normal(size=(pairs, 1, SQUARES)) * correlation**0.5
    return shared + rng.normal(size=(pairs, 2, SQUARES)) * (1 - correlation) ** 0.5


def false_pictures(runs: int) -> pd.DataFrame:
    """A row for each correlation, columns for the number of pairs and what is
    resampled. The fakes and the real faces of the same pairs are compared."""
    rows = {}
    for correlation in CORRELATIONS:
        rng = np.random.default_rng(1)
        for pairs in PAIRS:
            kinds = ("pairs", "persons") if pairs == PAIRS[-1] else ("pairs",)
            counts = dict.fromkeys(kinds, 0)
            for seed in range(runs):
                both = maps_of(pairs, correlation, rng)
                both = both - maps_of(pairs, correlation, rng)
                for kind in kinds:
                    flat = both.reshape(-1, SQUARES)
                    values = both.mean(1) if kind == "pairs" else flat
                    counts[kind] += marked(values, seed).any()
            for kind, count in counts.items():
                rows[correlation, kind, pairs] = count / runs
    return pd.Series(rows).unstack([1, 2]).sort_index(axis=1)


def found_effects(runs: int) -> pd.DataFrame:
    """The share of runs in which a planted square is marked, by its size."""
    rows = {}
    for correlation in CORRELATIONS:
        rng = np.random.default_rng(2)
        spread = ((1 + correlation) / 2) ** 0.5  # of the mean of a pair
        for effect in EFFECTS:
            count = 0
            for seed in range(runs):
                values = maps_of(PLANTED_PAIRS, correlation, rng).mean(1)
                values[:, 0] += effect * spread
                count += marked(values, seed)[0]
            rows[correlation, effect] = count / runs
    return pd.Series(rows).unstack()


def marked(values: np.ndarray, seed: int) -> np.ndarray:
    """Which squares (P,) of maps (n, P) of n units differ from zero."""
    drawn = resampled_means(values, names(len(values)), RESAMPLES, seed)
    return significant_difference(values.mean(0), drawn, len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    for title, table in (
        ("coverage of 95 % intervals, by skewness and units", coverage(runs)),
        ("false pictures at 5 %, by correlation", false_pictures(runs)),
        (f"planted square found, {PLANTED_PAIRS} pairs", found_effects(runs)),
    ):
        print(f"{title}\n{table.round(3).to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
