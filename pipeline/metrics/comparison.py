"""Detectors side by side: paired differences, and a table for people."""

from itertools import combinations

import pandas as pd

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.resampled_scores import bootstrap
from pipeline.metrics.scores import counts, score
from pipeline.metrics.slices import SLICE, slices
from pipeline.statistics.bootstrap import interval
from pipeline.videos.table import persons

DIFFERENCE_COLUMNS = [
    *("protocol", "model", "other", *SLICE, "metric", "difference", "low", "high"),
    *("real", "fake", "targets"),
]
KEY = "video"


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
