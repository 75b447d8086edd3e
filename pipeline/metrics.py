"""Metrics of a detector, by scikit-learn, over frames and over videos."""

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from pipeline.prediction import by_method, probability

COLUMNS = "level method metric value low high real fake".split()


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """Rate at which false alarms are as frequent as misses, 0..1.

    Linear interpolation of the ROC curve between its points.
    """
    false_alarms, hits, _ = roc_curve(labels, scores)
    gap = false_alarms - (1 - hits)  # grows along the curve from -1 to 1
    return float(np.interp(0.0, gap, false_alarms))


def score(labels: np.ndarray, logits: np.ndarray, threshold: float) -> dict[str, float]:
    """All metrics of (N,) labels, 0 real or 1 fake, and (N,) logits."""
    chance = probability(logits)
    decided = chance >= threshold
    return {
        "auc": float(roc_auc_score(labels, logits)),
        "average_precision": float(average_precision_score(labels, logits)),
        "eer": equal_error_rate(labels, logits),
        "accuracy": float(accuracy_score(labels, decided)),
        "f1": float(f1_score(labels, decided, zero_division=0.0)),
        "brier": float(brier_score_loss(labels, chance)),
    }


def auc_interval(items: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the AUC, by bootstrap over target identities.

    Videos of one target are alike, and frames of one video more so: the resampled
    unit is the target, with all that belongs to it.
    """
    rng = np.random.default_rng(seed)
    groups = [g[["label", "logit"]].to_numpy() for _, g in items.groupby("target")]
    values = []
    for _ in range(resamples):
        drawn = np.concatenate(
            [groups[i] for i in rng.integers(0, len(groups), len(groups))]
        )
        if 0 < drawn[:, 0].mean() < 1:
            values.append(roc_auc_score(drawn[:, 0], drawn[:, 1]))
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return round(float(low), 12), round(float(high), 12)  # 1, not 0.9999999999999999


def metrics_table(
    levels: dict[str, pd.DataFrame], threshold: float, resamples: int, seed: int
) -> pd.DataFrame:
    """Tidy metrics: one row a level x method x metric, with the numbers of items.

    `levels` holds tables with columns label, method, target and logit, by name
    (`frame`, `video`). The method `all` is all fakes against all real items, each
    other one its fakes against all real items. `low` and `high` are given for the AUC.
    """
    rows = []
    for level, items in levels.items():
        for method, part in by_method(items).items():
            labels = part["label"].to_numpy()
            scores = score(labels, part["logit"].to_numpy(), threshold)
            bounds = auc_interval(part, resamples, seed)
            counts = (int((labels == 0).sum()), int((labels == 1).sum()))
            for metric, value in scores.items():
                low, high = bounds if metric == "auc" else (np.nan, np.nan)
                rows.append((level, method, metric, value, low, high, *counts))
    return pd.DataFrame(rows, columns=COLUMNS)
