"""Metrics of many bootstrap resamples at once.

A resample of units gives each item a weight: how often its unit was drawn. All
resamples therefore share one sorting of the scores. A test compares these metrics with
those of `metrics.scores.score` for items that are repeated according to their weights.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.models.predictions import probability
from pipeline.statistics.resampling import MAX_WEIGHTS, Units
from pipeline.statistics.resampling import weights as unit_weights

CALIBRATION_BINS = 15  # equal bins of the probability, for the calibration error


def resampled_metrics(
    labels: np.ndarray,
    logits: np.ndarray,
    weights: np.ndarray,
    point: OperatingPoint,
) -> dict[str, np.ndarray]:
    """The metrics of `metrics.scores.score`, each (R,) float64, for R sets of weights.

    `labels` (N,) are 0 real or 1 fake, `logits` (N,) and `weights` (R, N). A metric is
    NaN where no real item or no fake item has a weight above zero.
    """
    weights = weights.astype(np.float64)
    found = {
        **_ranking_metrics(labels, logits, weights),
        **_decision_metrics(labels, logits >= point.threshold, weights),
        **_probability_errors(labels, logits, weights, point.temperature),
    }
    fakes = weights @ (labels == 1)
    both = (fakes > 0) & (fakes < weights.sum(1))
    return {name: np.where(both, value, np.nan) for name, value in found.items()}


def _ranking_metrics(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The metrics that depend only on the order of the logits."""
    order = np.argsort(-logits, kind="stable")
    starts = np.flatnonzero(np.diff(logits[order], prepend=np.inf))
    fake = labels[order] == 1
    ordered = weights[:, order]
    # Weight of fake and of real items at each of T distinct logits, highest first.
    fakes = np.add.reduceat(ordered * fake, starts, axis=1)  # (R, T)
    reals = np.add.reduceat(ordered * ~fake, starts, axis=1)
    caught, alarms = fakes.cumsum(1), reals.cumsum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        hits, false_alarms = caught / caught[:, -1:], alarms / alarms[:, -1:]
        precision = np.nan_to_num(caught / (caught + alarms))
        # Pairs of a real and a fake item in the right order; ties count half.
        pairs = (reals * (caught - fakes / 2)).sum(1)
        auc = pairs / (caught[:, -1] * alarms[:, -1])
        average_precision = (fakes * precision).sum(1) / caught[:, -1]
    return {
        "auc": auc,
        "average_precision": average_precision,
        "eer": _equal_error_rates(hits, false_alarms),
        "tpr_at_fpr_1": hits_at(hits, false_alarms, 0.01),
        "tpr_at_fpr_10": hits_at(hits, false_alarms, 0.10),
    }


def _equal_error_rates(hits: np.ndarray, false_alarms: np.ndarray) -> np.ndarray:
    """The rates (R,) at which false alarms and misses are equally frequent.

    `hits` and `false_alarms` are the points (R, T) of ROC curves, which are
    interpolated linearly.
    """
    start = np.zeros((len(hits), 1))
    alarms = np.concatenate([start, false_alarms], axis=1)
    gap = alarms - 1 + np.concatenate([start, hits], axis=1)  # increases from -1 to 1
    after = np.argmax(gap >= 0, axis=1)
    rows = np.arange(len(hits))
    before = np.maximum(after - 1, 0)
    low, high = gap[rows, before], gap[rows, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, -low / (high - low), 0.0)
    return alarms[rows, before] + share * (alarms[rows, after] - alarms[rows, before])


def hits_at(hits: np.ndarray, false_alarms: np.ndarray, rate: float) -> np.ndarray:
    """The highest true positive rates (R,) with at most `rate` false positives.

    `hits` and `false_alarms` are true and false positive rates (R, T). Only thresholds
    that exist count: the curve is not interpolated.
    """
    return np.where(false_alarms <= rate + 1e-12, hits, 0.0).max(axis=1)


def _decision_metrics(
    labels: np.ndarray, decided: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The metrics that depend on which items are called fake: `decided` (N,) bool."""
    fake = labels == 1
    caught, missed = weights @ (fake & decided), weights @ (fake & ~decided)
    alarms, passed = weights @ (~fake & decided), weights @ (~fake & ~decided)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity = caught / (caught + missed)
        specificity = passed / (alarms + passed)
        return {
            "accuracy": (caught + passed) / weights.sum(1),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "f1": 2 * caught / (2 * caught + missed + alarms),
        }


def _probability_errors(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, temperature: float
) -> dict[str, np.ndarray]:
    """The metrics that compare probabilities with how often items are fake."""
    chance, scaled = probability(logits), probability(logits / temperature)
    even = at_even_odds(labels, weights)
    return {
        "brier": even @ (chance - labels) ** 2,
        "ece": calibration_error(labels, chance, even),
        "ece_calibrated": calibration_error(labels, scaled, even),
    }


def at_even_odds(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights (R, N) with which real and fake items sum to one half each.

    `labels` (N,) are 0 real or 1 fake. Detectors are trained at even odds, so their
    probabilities are compared with the share of fakes at even odds. The share in a test
    set depends on how many methods it has. NaN where a class has no weight.
    """
    fake = labels == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        real_scale = 0.5 / weights[:, ~fake].sum(1, keepdims=True)
        fake_scale = 0.5 / weights[:, fake].sum(1, keepdims=True)
        return weights * np.where(fake, fake_scale, real_scale)


def calibration_error(
    labels: np.ndarray, chance: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The expected calibration errors (R,) of probabilities of fake, in 15 equal bins.

    It is the mean over bins of |mean probability - share of fakes|, weighted by the
    bins' items (Naeini et al. 2015; Guo et al. 2017, section 2). `labels` (N,) are 0
    real or 1 fake, `chance` (N,) in 0..1, `weights` (R, N).
    """
    bins = calibration_bins(chance)
    member = np.eye(CALIBRATION_BINS)[bins]  # (N, CALIBRATION_BINS)
    gaps = np.abs(weights @ (member * (chance - labels)[:, None]))
    return gaps.sum(1) / weights.sum(1)


def calibration_bins(chance: np.ndarray) -> np.ndarray:
    """The bin (N,) int of each probability (N,) in 0..1."""
    bins = (chance * CALIBRATION_BINS).astype(int)
    return np.minimum(bins, CALIBRATION_BINS - 1)


def bootstrap(
    labels: np.ndarray,
    logits: np.ndarray,
    units: Sequence[Units],
    *,
    point: OperatingPoint,
    resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """The metrics, each (resamples,), when units are resampled.

    `labels` (N,) are 0 real or 1 fake, and `logits` (N,). `units` are those of each
    item. The same seed draws the same units for every model and every slice, so that
    differences are paired.
    """
    names = sorted(set(units))
    place = {name: number for number, name in enumerate(names)}
    member = np.array([place[name] for name in units])
    drawn = unit_weights(names, resamples, seed)
    step = max(1, MAX_WEIGHTS // len(labels))  # resamples at once
    parts = []
    for start in range(0, resamples, step):
        part = drawn[start : start + step, member]  # (step, N)
        parts.append(resampled_metrics(labels, logits, part, point))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
