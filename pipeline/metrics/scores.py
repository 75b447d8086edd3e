"""Metrics of a detector over frames and over videos, by scikit-learn."""

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.resampled_scores import (
    at_even_odds,
    bootstrap,
    calibration_error,
    hits_at,
)
from pipeline.metrics.slices import SLICE_KEYS, slices
from pipeline.models.predictions import probability
from pipeline.statistics.resampling import (
    count_units,
    interval,
    unit_correlation,
    units_of,
)

# Metrics without an interval. A calibration error of few items is too large, and that
# of a resample is larger still: in a simulation with 16 pairs, 84 % of the intervals
# held the true error, and with 8 pairs 68 %.
BIASED_METRICS = ("ece", "ece_calibrated")
METRICS_COLUMNS = [*SLICE_KEYS, *"metric value low high real fake units".split()]


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """The rate, 0..1, at which false alarms and misses are equally frequent.

    `labels` (N,) are 0 real or 1 fake; `scores` (N,) are higher for fakes. The ROC
    curve is interpolated linearly between its points.
    """
    false_alarms, hits, _ = roc_curve(labels, scores)
    gap = false_alarms - (1 - hits)  # increases along the curve from -1 to 1
    return float(np.interp(0.0, gap, false_alarms))


def score(
    labels: np.ndarray, logits: np.ndarray, point: OperatingPoint
) -> dict[str, float]:
    """All metrics of labels (N,), 0 real or 1 fake, and logits (N,), by name.

    Items are called fake at the threshold of `point`, which was chosen on other data.
    `tpr_at_fpr_1` and `tpr_at_fpr_10` are the highest shares of fakes that are found by
    a threshold that calls at most 1 % or 10 % of the real items fake. `sensitivity` is
    the accuracy on fakes, and `specificity` on real items. `ece` is the expected
    calibration error, and `ece_calibrated` the one after temperature scaling. They and
    `brier`, the Brier score, weigh real and fake items evenly (`at_even_odds`).
    """
    chance, decided = probability(logits), logits >= point.threshold
    false_alarms, hits, _ = roc_curve(labels, logits, drop_intermediate=False)
    even = at_even_odds(labels, np.ones((1, len(labels))))
    scaled = probability(logits / point.temperature)
    values = {
        "auc": roc_auc_score(labels, logits),
        "average_precision": average_precision_score(labels, logits),
        "eer": equal_error_rate(labels, logits),
        "tpr_at_fpr_1": hits_at(hits[None], false_alarms[None], 0.01)[0],
        "tpr_at_fpr_10": hits_at(hits[None], false_alarms[None], 0.10)[0],
        "accuracy": accuracy_score(labels, decided),
        "balanced_accuracy": balanced_accuracy_score(labels, decided),
        "sensitivity": recall_score(labels, decided, zero_division=0.0),
        "specificity": recall_score(labels, decided, pos_label=0, zero_division=0.0),
        "f1": f1_score(labels, decided, zero_division=0.0),
        "brier": brier_score_loss(labels, chance, sample_weight=even[0]),
        "ece": calibration_error(labels, chance, even)[0],
        "ece_calibrated": calibration_error(labels, scaled, even)[0],
    }
    return {name: float(value) for name, value in values.items()}


def metrics_table(
    items: pd.DataFrame, point: OperatingPoint, resamples: int, seed: int
) -> pd.DataFrame:
    """Tidy metrics: one row per slice and metric, with a 95 % interval and counts.

    `items` has one row per frame or video, with the columns dataset, compression,
    method, video, label, logit, unit and second_unit. The intervals are from a
    bootstrap over units; BIASED_METRICS have none. The row `unit_correlation` says how
    alike the videos of one unit are (see `video_correlation`). The result has the
    columns `METRICS_COLUMNS`.
    """
    rows = []
    for names, part in slices(items):
        labels, logits = part["label"].to_numpy(), part["logit"].to_numpy(float)
        numbers = counts(part)
        resampled = bootstrap(
            labels,
            logits,
            units_of(part),
            point=point,
            resamples=resamples,
            seed=seed,
        )
        for metric, value in score(labels, logits, point).items():
            bounds = metric_interval(metric, value, resampled[metric], numbers[-1])
            rows.append((*names.values(), metric, value, *bounds, *numbers))
        alike = ("unit_correlation", video_correlation(part), np.nan, np.nan)
        rows.append((*names.values(), *alike, *numbers))
    return pd.DataFrame(rows, columns=METRICS_COLUMNS)


def metric_interval(
    metric: str, value: float, resampled: np.ndarray, units: int
) -> tuple[float, float]:
    """The 95 % interval of a metric or of a difference; NaN for BIASED_METRICS.

    `units` is their number.
    """
    if metric in BIASED_METRICS:
        return np.nan, np.nan
    return interval(value, resampled, units)


def counts(items: pd.DataFrame) -> tuple[int, int, int]:
    """The numbers of real items, of fakes and of units."""
    fakes = int(items["label"].sum())
    return len(items) - fakes, fakes, count_units(units_of(items))


def video_correlation(items: pd.DataFrame) -> float:
    """The correlation of the videos' mean logits within units.

    The mean of each data set, compression and method is subtracted first.
    """
    keys = [*SLICE_KEYS, "unit", "video"]
    videos = items.groupby(keys, as_index=False)["logit"].mean()
    centred = videos["logit"] - videos.groupby(SLICE_KEYS)["logit"].transform("mean")
    return unit_correlation(centred.to_numpy(), videos["unit"].to_numpy(str))
