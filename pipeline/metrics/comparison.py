"""Paired differences between the metrics of several detectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
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
# `same_model`: whether the two detectors are trainings of one model.
DIFFERENCE_COLUMNS = ["protocol", *PAIR_COLUMNS[:2], "same_model", *PAIR_COLUMNS[2:]]


@dataclass(frozen=True)
class SliceScores:
    """The metrics of one detector on one slice of the test set.

    Attributes:
        names: the values of SLICE_KEYS.
        counts: the numbers of real items, fakes and units.
        values: each metric.
        resampled: each metric (R,) float64 on R resamples of units.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    values: Mapping[str, float]
    resampled: Mapping[str, np.ndarray]


def differences(
    predicted: Mapping[str, pd.DataFrame],
    points: Mapping[str, OperatingPoint],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Metrics of each model minus those of each later model, on the same videos.

    `predicted` has a table of test videos for each model, and `points` its operating
    point. Only videos that all models have count. Returns one row per pair, slice and
    metric, with the columns `PAIR_COLUMNS`. The 95 % interval is from a paired
    bootstrap: all models are scored on the same resamples of units.
    """
    scored = {
        model: slice_scores(table, points[model], resamples, seed)
        for model, table in on_shared_videos(predicted).items()
    }
    rows = [
        (model, other, *row)
        for model, other in combinations(scored, 2)
        for one, two in zip(scored[model], scored[other], strict=True)
        for row in _rows_of_slice(one, two)
    ]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def on_shared_videos(predicted: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The rows of the videos that are in all tables, in the order of the first one."""
    found = pd.concat([table["video"] for table in predicted.values()])
    tables = found.value_counts(sort=False)  # that have each video
    videos = tables.index[tables == len(predicted)].to_frame(index=False)
    return {name: videos.merge(table, on="video") for name, table in predicted.items()}


def slice_scores(
    items: pd.DataFrame, point: OperatingPoint, resamples: int, seed: int
) -> list[SliceScores]:
    """The metrics of each slice of a table of test videos, with resamples of units."""
    found = []
    for names, part in slices(items):
        labels, logits = part["label"].to_numpy(), part["logit"].to_numpy(float)
        resampled = bootstrap(
            labels, logits, units_of(part), point=point, resamples=resamples, seed=seed
        )
        values = score(labels, logits, point)
        found.append(
            SliceScores(tuple(names.values()), counts(part), values, resampled)
        )
    return found


def _rows_of_slice(one: SliceScores, two: SliceScores) -> list[tuple]:
    """The difference of each metric: the PAIR_COLUMNS after `model` and `other`."""
    rows = []
    for metric, value in one.values.items():
        change = value - two.values[metric]
        drawn = one.resampled[metric] - two.resampled[metric]
        bounds = metric_interval(metric, change, drawn, one.counts[-1])
        rows.append((*one.names, metric, change, *bounds, *one.counts))
    return rows
