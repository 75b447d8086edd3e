"""Paired differences between the metrics of several detectors."""

from itertools import combinations

import pandas as pd

from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.resampled_scores import bootstrap
from pipeline.metrics.scores import counts, metric_interval, score
from pipeline.metrics.slices import SLICE_KEYS, slices
from pipeline.statistics.resampling import units_of

PAIR_COLUMNS = [
    *("model", "other", *SLICE_KEYS, "metric", "difference", "low", "high"),
    *("real", "fake", "units"),
]
DIFFERENCE_COLUMNS = ["protocol", *PAIR_COLUMNS]


def differences(
    predicted: dict[str, pd.DataFrame],
    points: dict[str, OperatingPoint],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Metrics of each model minus those of each later model, on the same videos.

    `predicted` has a table of test videos for each model, and `points` its operating
    point. Returns one row per pair, slice and metric, with the columns `PAIR_COLUMNS`.
    The 95 % interval is from a paired bootstrap: both models are scored on the same
    resamples of units.
    """
    rows = []
    for model, other in combinations(predicted, 2):
        both = predicted[model].merge(
            predicted[other][["video", "logit"]], on="video", suffixes=("", "_other")
        )
        for names, part in slices(both):
            labels, units = part["label"].to_numpy(), units_of(part)
            numbers = counts(part)
            values, resampled = [], []
            for name, column in ((model, "logit"), (other, "logit_other")):
                logits, point = part[column].to_numpy(float), points[name]
                values.append(score(labels, logits, point))
                resampled.append(
                    bootstrap(
                        labels,
                        logits,
                        units,
                        point=point,
                        resamples=resamples,
                        seed=seed,
                    )
                )
            for metric, value in values[0].items():
                change = value - values[1][metric]
                drawn = resampled[0][metric] - resampled[1][metric]
                bounds = metric_interval(metric, change, drawn, numbers[-1])
                slice_names = names.values()
                row = (model, other, *slice_names, metric, change, *bounds)
                rows.append((*row, *numbers))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)
