"""Means over videos, with intervals over units, for each slice of the test set."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from pipeline.metrics.slices import ALL, SLICE_KEYS
from pipeline.statistics.resampling import (
    UNIT_COLUMNS,
    count_units,
    interval,
    resampled_means,
    units_of,
)

VIDEO_KEYS = [*SLICE_KEYS, *UNIT_COLUMNS, "video"]


@dataclass(frozen=True)
class VideoMean:
    """The mean of a value over the videos of a slice.

    Attributes:
        names: the slice: data set, compression and method, each a name or "all".
        column: which value it is.
        value: the mean over videos of each video's mean over its frames.
        low, high: its 95 % interval over resamples of units.
        frames, units: how many have the value.
    """

    names: tuple[str, ...]
    column: Hashable
    value: float
    low: float
    high: float
    frames: int
    units: int


def video_means(frames: pd.DataFrame, resamples: int, seed: int) -> Iterator[VideoMean]:
    """Yield the means of all columns of `frames` over each slice.

    `frames` has one row for each frame, and VIDEO_KEYS among the names of its index.
    Values may be NaN. "all" data sets or compressions are there only if there are
    several; "all" methods are all fakes. A value that no frame has is left out. With
    one seed, all values and slices use the same resamples.
    """
    by_video = frames.groupby(level=VIDEO_KEYS)
    means, counts = by_video.mean(), by_video.count()
    for names, part in _slices(means.index):
        chosen = means[part]
        values = chosen.to_numpy()  # (V, K)
        units = units_of(chosen.index.to_frame())
        numbers = counts[part].to_numpy().sum(0)  # (K,)
        resampled = resampled_means(values, units, resamples, seed)
        for place, column in enumerate(chosen.columns):
            known = np.flatnonzero(np.isfinite(values[:, place]))
            if not len(known):
                continue
            value = round(float(values[known, place].mean()), 12)  # like the interval
            number = count_units(units[video] for video in known)
            low, high = interval(value, resampled[:, place], number)
            yield VideoMean(
                names, column, value, low, high, int(numbers[place]), number
            )


def _slices(videos: pd.MultiIndex) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """The names of each slice that is not empty, and which videos it has, (V,) bool."""
    values = [videos.get_level_values(name) for name in SLICE_KEYS]
    datasets, compressions, methods = (sorted(v.unique()) for v in values)
    wide = [n if len(n) == 1 else [ALL, *n] for n in (datasets, compressions)]
    for names in product(*wide, [ALL, *methods]):
        part = np.ones(len(videos), bool)
        for name, value in zip(names, values, strict=True):
            part &= (name == ALL) | (value == name)
        if part.any():
            yield names, part
