"""Detectors side by side: paired differences, and a table for people."""

from itertools import combinations

import pandas as pd

from pipeline.calibration import OperatingPoint
from pipeline.metrics import SLICE, counts, score, slices
from pipeline.resampling import bootstrap, interval
from pipeline.video_table import persons

DIFFERENCE_COLUMNS = [
    *("protocol", "model", "other", *SLICE, "metric", "difference", "low", "high"),
    *("real", "fake", "targets"),
]
KEY = "video"
OVERVIEW = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR at FPR 1 %",
    "tpr_at_fpr_10": "TPR at FPR 10 %",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
    "ece_calibrated": "ECE, calibrated",
}


def differences(
    predicted: dict[str, pd.DataFrame],
    points: dict[str, OperatingPoint],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Metrics of each model minus those of each later one, on the same videos.

    `predicted` holds each model's table of videos, `points` its operating point. The
    95 % interval is by paired bootstrap: both models are scored on the same resample
    of target persons. One row a pair x slice x metric.
    """
    rows = []
    for one, two in combinations(predicted, 2):
        both = predicted[one].merge(
            predicted[two][[KEY, "logit"]], on=KEY, suffixes=("", "_other")
        )
        for names, part in slices(both):
            labels, targets = part["label"].to_numpy(), persons(part).to_numpy(str)
            logits = [part[c].to_numpy(float) for c in ("logit", "logit_other")]
            values, drawn = [], []
            for scores, point in zip(logits, (points[one], points[two]), strict=True):
                values.append(score(labels, scores, point))
                place = (point.threshold, point.temperature)
                drawn.append(
                    bootstrap(labels, scores, targets, *place, resamples, seed)
                )
            for metric, value in values[0].items():
                bounds = interval(drawn[0][metric] - drawn[1][metric])
                change = value - values[1][metric]
                rows.append(
                    (one, two, *names.values(), metric, change, *bounds, *counts(part))
                )
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS[1:])


def overview(videos: pd.DataFrame) -> str:
    """The video metrics as a Markdown table: a row a detector and slice."""
    key = ["model", "protocol", *SLICE]
    lines = [
        f"| {' | '.join([*key, 'real', 'fake', *OVERVIEW.values()])} |",
        f"|{'---|' * (len(key) + 2 + len(OVERVIEW))}",
    ]
    for names, part in videos.groupby(key, sort=False):
        metrics = part.set_index("metric")
        cells = [
            f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
            for row in metrics.loc[list(OVERVIEW)].itertuples()
        ]
        numbers = [str(metrics[c].iloc[0]) for c in ("real", "fake")]
        lines.append(f"| {' | '.join([*names, *numbers, *cells])} |")
    intro = "By video; in brackets 95 % intervals by bootstrap over target persons.\n"
    return "\n".join([intro, *lines]) + "\n"
