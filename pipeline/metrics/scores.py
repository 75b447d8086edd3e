"""Metrics of a detector, by scikit-learn, over frames and over videos."""

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
from pipeline.metrics.slices import SLICE, slices
from pipeline.models.predictions import probability
from pipeline.statistics.bootstrap import interval
from pipeline.videos.table import persons

COLUMNS = [*SLICE, *"metric value low high real fake targets".split()]


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """Rate at which false alarms are as frequent as misses, 0..1.

    Linear interpolation of the ROC curve between its points.
    """
    false_alarms, hits, _ = roc_curve(labels, scores)
    gap = false_alarms - (1 - hits)  # grows along the curve from -1 to 1
    return float(np.interp(0.0, gap, false_alarms))


def score(
    labels: np.ndarray, logits: np.ndarray, point: OperatingPoint
) -> dict[str, float]:
    """All metrics of (N,) labels, 0 real or 1 fake, and (N,) logits.

    Decisions are made at `point`, which comes from other data. `tpr_at_fpr_1` and
    `_10` are the share of fakes found at thresholds that call at most 1 % and 10 % of
    the real items fake; `sensitivity` is the accuracy on fakes, `specificity` on real
    items; `ece_calibrated` is the calibration error after temperature scaling.
    """
    chance, decided = probability(logits), logits >= point.threshold
    false_alarms, hits, _ = roc_curve(labels, logits, drop_intermediate=False)
    even = np.ones((1, len(labels)))
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
        "ece": calibration_error(labels, chance, even)[0],
        "ece_calibrated": calibration_error(labels, scaled, even)[0],
    }
    return {name: float(value) for name, value in values.items()}


def metrics_table(
    items: pd.DataFrame, point: OperatingPoint, resamples: int, seed: int
) -> pd.DataFrame:
    """Tidy metrics: one row a slice x metric, with a 95 % interval and counts.

    `items` has one row a frame or a video, with dataset, compression, method, target,
    label and logit. Intervals are by bootstrap over target persons.
    """
    rows = []
    for names, part in slices(items):
        labels, logits = part["label"].to_numpy(), part["logit"].to_numpy(float)
        targets = persons(part).to_numpy(str)
        scores = score(labels, logits, point)
        drawn = bootstrap(
            labels,
            logits,
            targets,
            point.threshold,
            point.temperature,
            resamples,
            seed,
        )
        for metric, value in scores.items():
            bounds = interval(drawn[metric])
            rows.append((*names.values(), metric, value, *bounds, *counts(part)))
    return pd.DataFrame(rows, columns=COLUMNS)


def counts(items: pd.DataFrame) -> tuple[int, int, int]:
    """Numbers of real items, of fakes and of target persons."""
    fakes = int(items["label"].sum())
    return len(items) - fakes, fakes, persons(items).nunique()
