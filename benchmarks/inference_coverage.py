"""Coverage of intervals and error rates of marked squares, by simulation.

    python -m benchmarks.inference_coverage [--runs 2000]

Prints five tables. *Coverage*: how often the 95 % interval of a mean holds the true
mean, by the number of units and the skewness of their values. *Metrics*: the same for
metrics of a detector with an AUC of 0.95, by the number of pairs; a pair has two real
videos and eight fakes, whose logits correlate by 0.3 (a fifth of the runs). *Crossed*:
the same for means where each person is the target of many sources, by the number of
persons, the share of the others that are inserted into each, and whether a person has
the same effect as target and as source (a fifth of the runs). *False pictures*: how
often any of 256 squares is marked although none differs, by the number of pairs and
the correlation between the two persons of a pair; beside it, the same if persons are
resampled instead of pairs, for the most pairs. *Found*: how often a planted difference
of one square is marked, in standard deviations between pairs.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.stats import norm

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.resampled_scores import bootstrap
from pipeline.metrics.scores import score
from pipeline.statistics.resampling import (
    Units,
    count_units,
    interval,
    resampled_means,
)
from pipeline.statistics.significance import joint_threshold, picture

SQUARES = 256
RESAMPLES = 400  # of maps
METRIC_RESAMPLES = 1000
UNITS = (8, 12, 20, 35, 70)
PAIRS = (5, 8, 12, 30, 70)
CORRELATIONS = (0.0, 0.3, 0.5)
EFFECTS = (0.8, 1.0, 1.2)  # standard deviations between pairs
PLANTED_PAIRS = 30
METRIC_PAIRS = (8, 16, 70)
LABELS = np.repeat([0, 1], [2, 8])  # of the videos of a pair
LOGIT_CORRELATION = 0.3  # within pairs
SEPARATION = 2**0.5 * norm.ppf(0.95)  # of logits of variance 1, for an AUC of 0.95
POINT = OperatingPoint(threshold=SEPARATION / 2, temperature=1.0)
METRICS = ("auc", "eer", "balanced_accuracy", "specificity", "brier", "ece")
PERSONS, INSERTED = (12, 20), (1.0, 0.3)


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


def logits_of(pairs: int, rng: np.random.Generator) -> np.ndarray:
    """The logits of the videos of each pair, (pairs, 10)."""
    shared = rng.normal(size=(pairs, 1)) * LOGIT_CORRELATION**0.5
    own = rng.normal(size=(pairs, len(LABELS))) * (1 - LOGIT_CORRELATION) ** 0.5
    return shared + own + SEPARATION * LABELS


def metric_coverage(runs: int) -> pd.DataFrame:
    """A row for each metric, a column for each number of pairs. The metrics of 100,000
    pairs are taken as the true ones."""
    rng = np.random.default_rng(3)
    many = logits_of(10**5, rng)
    true = score(np.tile(LABELS, len(many)), many.ravel(), POINT)
    rows = {}
    for pairs in METRIC_PAIRS:
        labels = np.tile(LABELS, pairs)
        units = [unit for unit in names(pairs) for _ in LABELS]
        inside = dict.fromkeys(METRICS, 0)
        for seed in range(runs):
            logits = logits_of(pairs, rng).ravel()
            values = score(labels, logits, POINT)
            drawn = bootstrap(
                labels, logits, units, point=POINT, resamples=RESAMPLES, seed=seed
            )
            for metric in METRICS:
                low, high = interval(values[metric], drawn[metric], pairs)
                inside[metric] += low <= true[metric] <= high
        for metric, count in inside.items():
            rows[metric, pairs] = count / runs
    return pd.Series(rows).unstack()


def crossed_coverage(runs: int) -> pd.DataFrame:
    """A row for each number of persons, columns for the share of the others that are
    inserted into each, and for whether a person has one effect in both roles."""
    rows = {}
    rng = np.random.default_rng(4)
    for persons in PERSONS:
        for inserted in INSERTED:
            for same in (True, False):
                inside = 0
                for seed in range(runs):
                    ends = np.argwhere(~np.eye(persons, dtype=bool))
                    ends = ends[rng.random(len(ends)) < inserted]
                    effects = rng.normal(size=(2, persons))
                    as_source = effects[0 if same else 1]
                    values = effects[0][ends[:, 0]] + as_source[ends[:, 1]]
                    values += rng.normal(size=len(ends))
                    units: list[Units] = [(f"x/{a}", f"x/{b}") for a, b in ends]
                    drawn = resampled_means(values[:, None], units, RESAMPLES, seed)
                    low, high = interval(values.mean(), drawn[:, 0], count_units(units))
                    inside += low <= 0 <= high
                rows[persons, inserted, "same" if same else "other"] = inside / runs
    return pd.Series(rows).unstack([1, 2])


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
    found = picture(values.mean(0), drawn, len(values))
    if found is None:
        return np.zeros(values.shape[1], bool)
    return found.significant(joint_threshold([found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    for title, table in (
        ("coverage of 95 % intervals, by skewness and units", coverage(runs)),
        ("coverage of intervals of metrics, by pairs", metric_coverage(runs // 5)),
        ("coverage where sources cross targets", crossed_coverage(runs // 5)),
        ("false pictures at 5 %, by correlation", false_pictures(runs)),
        (f"planted square found, {PLANTED_PAIRS} pairs", found_effects(runs)),
    ):
        print(f"{title}\n{table.round(3).to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
