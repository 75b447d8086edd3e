"""Interventions over a test set: what regions do, beside what maps say of them."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from pipeline.atlases.heats import CENTRE
from pipeline.atlases.video_means import VIDEO_KEYS, video_means
from pipeline.metrics.slices import SLICE_KEYS

MAP, REMOVAL, INSERTION, CHANGE = "map", "removal", "insertion", "change"
CORRELATION = "correlation"
DELETION = "deletion"
RANDOM_ORDER, CHANGE_ORDER = "random", "|x - original|"
CONTROL_ORDERS = (RANDOM_ORDER, CENTRE, CHANGE_ORDER)
MEAN_FRACTION = "mean"  # over the fractions of a curve
NUMBERS = ["value", "low", "high", "frames", "units"]
REGION_EFFECT_COLUMNS = [*SLICE_KEYS, "region", "measure", *NUMBERS]
CURVE_EFFECT_COLUMNS = [*SLICE_KEYS, "order", "fraction", "curve", *NUMBERS]


def region_effect_table(
    regions: pd.DataFrame, resamples: int, seed: int
) -> pd.DataFrame:
    """What each region of the face does to the logit, and what the map says of it.

    `regions` has the rows of all control shards (REGION_COLUMNS). Returns one row for
    each slice, region and measure, with the columns REGION_EFFECT_COLUMNS. Measures, in
    logits, are means over videos:

    - map: the sum of the map from `original` over the region.
    - removal: how much the logit falls if the region shows the original.
    - insertion: how much the logit of the original rises if the region shows the fake.

    The region "all" has the sums over the regions of each measure, and

    - change: the logit of the fake minus that of the original. The map adds up to it.
      Removals and insertions do so only if the detector is additive over regions.
    - correlation: of the map with the mean of removal and insertion, over the regions
      of a frame. NaN for frames in which one of them is constant.
    """
    if regions.empty:
        return pd.DataFrame(columns=REGION_EFFECT_COLUMNS)
    frame = [*VIDEO_KEYS, "subject", "number"]
    values = regions.rename(columns={"map_logits": MAP})
    change = values["fake_logit"] - values["original_logit"]
    values = values.assign(**{CHANGE: change}).set_index([*frame, "region"])
    wide = values[[MAP, REMOVAL, INSERTION]].unstack("region").swaplevel(axis=1)
    by_frame = values.groupby(level=frame)
    wide = wide.sort_index(axis=1)
    for measure in (MAP, REMOVAL, INSERTION):
        wide["all", measure] = by_frame[measure].sum(min_count=1)
    wide["all", CHANGE] = by_frame[CHANGE].first()
    wide["all", CORRELATION] = by_frame[[MAP, REMOVAL, INSERTION]].apply(_correlation)
    return _rows(wide, resamples, seed, REGION_EFFECT_COLUMNS)


def _correlation(regions: pd.DataFrame) -> float:
    """The correlation over a frame's regions of the map with what they do."""
    effect = regions[[REMOVAL, INSERTION]].mean(axis=1)
    both = np.array([regions[MAP], effect])
    return float(np.corrcoef(both)[0, 1]) if both.std(1).all() else np.nan


def curve_effect_table(curves: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """How fast the logit changes if pixels are exchanged in the order of a map.

    `curves` has the rows of all control shards (CURVE_COLUMNS). Returns one row for
    each slice, order, fraction and curve, with the columns CURVE_EFFECT_COLUMNS:

    - order: the baseline whose map orders the pixels, or one of CONTROL_ORDERS; and
      "<baseline> - <control>": the difference for the same frames.
    - fraction: of the crop's pixels that are exchanged, or "mean" over the fractions.
    - curve: "insertion", the logit above that of the original; "deletion", the logit
      below that of the fake. In both, more is better.
    """
    if curves.empty:
        return pd.DataFrame(columns=CURVE_EFFECT_COLUMNS)
    frame = [*VIDEO_KEYS, "subject", "number"]
    values = curves.assign(
        **{
            INSERTION: curves["insertion"] - curves["original_logit"],
            DELETION: curves["fake_logit"] - curves["deletion"],
            "fraction": curves["fraction"].map(str),
        }
    ).set_index([*frame, "order", "fraction"])[[INSERTION, DELETION]]
    mean = values.groupby(level=[*frame, "order"]).mean()
    mean = mean.assign(fraction=MEAN_FRACTION).set_index("fraction", append=True)
    wide = pd.concat([values, mean]).unstack(["order", "fraction"])
    wide = wide.reorder_levels([1, 2, 0], axis=1).sort_index(axis=1)
    orders = sorted(set(wide.columns.get_level_values(0)) - set(CONTROL_ORDERS))
    differences = {
        (f"{order} - {control}", MEAN_FRACTION, curve): (
            wide[order, MEAN_FRACTION, curve] - wide[control, MEAN_FRACTION, curve]
        )
        for order in orders
        for control in CONTROL_ORDERS
        for curve in (INSERTION, DELETION)
    }
    wide = pd.concat([wide, pd.DataFrame(differences, index=wide.index)], axis=1)
    return _rows(wide, resamples, seed, CURVE_EFFECT_COLUMNS)


def _rows(
    wide: pd.DataFrame, resamples: int, seed: int, columns: Sequence[str]
) -> pd.DataFrame:
    """The means of all columns of `wide`, whose names are tuples, as a table."""
    rows = [
        (
            *(*one.names, *cast("tuple[str, ...]", one.column)),
            *(one.value, one.low, one.high, one.frames, one.units),
        )
        for one in video_means(wide, resamples, seed)
    ]
    return pd.DataFrame(rows, columns=list(columns))
