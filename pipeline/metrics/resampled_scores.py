"""Metrics under many weightings at once: what a bootstrap's intervals are made of.

A resample of persons is a weight for each item, so all resamples share one sorting of
the scores. Tested to equal `metrics.score` with the weights written out as repeats.
"""

import numpy as np

from pipeline.models.predictions import probability
from pipeline.statistics.bootstrap import MAX_WEIGHTS

BINS = 15  # of the expected calibration error


def resampled_metrics(
    labels: np.ndarray,
    logits: np.ndarray,
    weights: np.ndarray,
    threshold: float,
    temperature: float,
) -> dict[str, np.ndarray]:
    """All metrics of `metrics.score`, each (R,), under weights (R, N).

    `labels` (N,) are 0 real or 1 fake, `logits` (N,) and the decision's `threshold` are
    in logits. NaN where a weighting leaves no real or no fake item.
    """
    weights = weights.astype(np.float64)
    rates = _rates(labels, logits, weights)
    decided = _decisions(labels, logits >= threshold, weights)
    calibrated = _calibration(labels, logits, weights, temperature)
    found = rates | decided | calibrated
    fakes = weights @ (labels == 1)
    both = (fakes > 0) & (fakes < weights.sum(1))
    return {name: np.where(both, value, np.nan) for name, value in found.items()}


def _rates(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """What hangs on the order of the scores alone: AUC, AP, EER and hits at a rate."""
    order = np.argsort(-logits, kind="stable")
    starts = np.flatnonzero(np.diff(logits[order], prepend=np.inf))
    fake = labels[order] == 1
    ordered = weights[:, order]
    # Weight of fake and of real items at each distinct score, highest first: (R, T).
    fakes = np.add.reduceat(ordered * fake, starts, axis=1)
    reals = np.add.reduceat(ordered * ~fake, starts, axis=1)
    caught, alarms = fakes.cumsum(1), reals.cumsum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        hits, false_alarms = caught / caught[:, -1:], alarms / alarms[:, -1:]
        precision = np.nan_to_num(caught / (caught + alarms))
        pairs = (reals * (caught - fakes / 2)).sum(1)
        auc = pairs / (caught[:, -1] * alarms[:, -1])
        average_precision = (fakes * precision).sum(1) / caught[:, -1]
    return {
        "auc": auc,
        "average_precision": average_precision,
        "eer": _equal_error(hits, false_alarms),
        "tpr_at_fpr_1": hits_at(hits, false_alarms, 0.01),
        "tpr_at_fpr_10": hits_at(hits, false_alarms, 0.10),
    }


def _equal_error(hits: np.ndarray, false_alarms: np.ndarray) -> np.ndarray:
    """Where false alarms and misses are equally frequent, between points by a line."""
    start = np.zeros((len(hits), 1))
    alarms = np.concatenate([start, false_alarms], axis=1)
    gap = alarms - 1 + np.concatenate([start, hits], axis=1)  # from -1 up to 1
    after = np.argmax(gap >= 0, axis=1)
    rows = np.arange(len(hits))
    before = np.maximum(after - 1, 0)
    low, high = gap[rows, before], gap[rows, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, -low / (high - low), 0.0)
    return alarms[rows, before] + share * (alarms[rows, after] - alarms[rows, before])


def hits_at(hits: np.ndarray, false_alarms: np.ndarray, rate: float) -> np.ndarray:
    """Highest true positive rate (R,) of a threshold with at most `rate` false alarms.

    Of (R, T) true and false positive rates; a threshold that exists, no point between.
    """
    return np.where(false_alarms <= rate + 1e-12, hits, 0.0).max(axis=1)


def _decisions(
    labels: np.ndarray, decided: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """What hangs on one decision for each item."""
    fake = labels == 1
    caught, missed = weights @ (fake & decided), weights @ (fake & ~decided)
    alarms, passed = weights @ (~fake & decided), weights @ (~fake & ~decided)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = (
            caught / (caught + missed),
            passed / (alarms + passed),
        )
        return {
            "accuracy": (caught + passed) / weights.sum(1),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "f1": 2 * caught / (2 * caught + missed + alarms),
        }


def _calibration(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, temperature: float
) -> dict[str, np.ndarray]:
    """How far probabilities are from how often they come true."""
    chance = probability(logits)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "brier": weights @ (chance - labels) ** 2 / weights.sum(1),
            "ece": calibration_error(labels, chance, weights),
            "ece_calibrated": calibration_error(
                labels, probability(logits / temperature), weights
            ),
        }


def calibration_error(
    labels: np.ndarray, chance: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Expected calibration error (R,) of the probability of fake, in 15 equal bins.

    The mean over bins of |mean probability - share of fakes|, by the bins' weight
    (Naeini et al. 2015; Guo et al. 2017, section 2).
    """
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    member = np.eye(BINS)[bins]  # (N, BINS)
    gaps = np.abs(weights @ (member * (chance - labels)[:, None]))
    return gaps.sum(1) / weights.sum(1)


def bootstrap(
    labels: np.ndarray,
    logits: np.ndarray,
    groups: np.ndarray,
    threshold: float,
    temperature: float,
    resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """All metrics, each (resamples,), with whole groups drawn with replacement.

    Videos of one target are alike, and frames of one video more so: `groups` (N,) says
    which items are drawn together. The same seed draws the same groups for every model
    and every slice with these groups, so that differences are paired.
    """
    names, member = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    step = max(1, MAX_WEIGHTS // len(labels))
    parts = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), count)
        parts.append(
            resampled_metrics(labels, logits, drawn[:, member], threshold, temperature)
        )
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
