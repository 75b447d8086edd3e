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
from pipeline.metrics.resampled_scores import bootstrap, calibration_error, hits_at
from pipeline.metrics.slices import SLICE_KEYS, slices
from pipeline.models.predictions import probability
from pipeline.statistics.bootstrap import interval
from pipeline.videos.table import persons

METRICS_COLUMNS = [*SLICE_KEYS, *"metric value low high real fake targets".split()]


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
    calibration error, and `ece_calibrated` the one after temperature scaling.
    """
    chance, decided = probability(logits), logits >= point.threshold
    false_alarms, hits, _ = roc_curve(labels, logits, drop_intermediate=False)
    equal_weights = np.ones((1, len(labels)))
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
        "brier": brier_score_loss(labels, chance),
        "ece": calibration_error(labels, chance, equal_weights)[0],
        "ece_calibrated": calibration_error(labels, scaled, equal_weights)[0],
    }
    return {name: float(value) for name, value in values.items()}


def metrics_table(
    items: pd.DataFrame, point: OperatingPoint, resamples: int, seed: int
) -> pd.DataFrame:
    """Tidy metrics: one row per slice and metric, with a 95 % interval and counts.

    `items` has one row per frame or video, with the columns dataset, compression,
    method, target, label and logit. The intervals are from a bootstrap over target
    persons. The result has the columns `METRICS_COLUMNS`.
    """
    rows = []
    for names, part in slices(items):
        labels, logits = part["label"].to_numpy(), part["logit"].to_numpy(float)
        resampled = bootstrap(
            labels,
            logits,
            persons(part).to_numpy(str),
            point=point,
            resamples=resamples,
            seed=seed,
        )
        for metric, value in score(labels, logits, point).items():
            bounds = interval(resampled[metric])
            rows.append((*names.values(), metric, value, *bounds, *counts(part)))
    return pd.DataFrame(rows, columns=METRICS_COLUMNS)


def counts(items: pd.DataFrame) -> tuple[int, int, int]:
    """The numbers of real items, of fakes and of target persons."""
    fakes = int(items["label"].sum())
    return len(items) - fakes, fakes, persons(items).nunique()
