"""The table of an atlas' cells."""

from collections.abc import Sequence

import pandas as pd

from pipeline.atlases.arrays import CELL_KEYS, CellArrays
from pipeline.statistics.resampling import count_units, unit_correlation, units_of

MIN_CHANGE = 0.5  # logits: attributions are not taken as a share of a smaller change
ERRORS = ["map_error", "sampling_error"]  # of a cell's mean map


def cell_table(frames: pd.DataFrame, arrays: Sequence[CellArrays]) -> pd.DataFrame:
    """One row for each cell: counts, mean logits, and how accurate the maps are.

    `frames` is the table of frames, `arrays` has the cells. `map_error` and
    `sampling_error` are those of the cell's mean map (`MeanMapErrors`), and
    `integration_ratio` is the first divided by the second. `median_map_error` is that
    of the maps of single frames. `mean_lost` is the part of the maps that lies off the
    grid after registration. `explained_share` is the sum of the cell's mean map as
    a share of the mean change of the logit: 1 if the maps are complete and nothing is
    off the grid, NaN if the change is below MIN_CHANGE. `unit_correlation` is that of
    the videos' mean changes (`resampling.unit_correlation`).
    """
    every = pd.concat([frames, frames.assign(outcome="all")])
    every = every.assign(change=every["logit"] - every["baseline_logit"])
    cells = every.groupby(CELL_KEYS, as_index=False).agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        mean_logit=("logit", "mean"),
        mean_baseline_logit=("baseline_logit", "mean"),
        mean_change=("change", "mean"),
        mean_attribution_sum=("attribution_sum", "mean"),
        mean_lost=("lost", "mean"),
        median_completeness_error=("completeness_error", "median"),
        largest_completeness_error=("completeness_error", "max"),
        median_map_error=("map_error", "median"),
        largest_map_error=("map_error", "max"),
        converged_share=("converged", "mean"),
        mean_steps=("steps", "mean"),
    )
    map_sum = cells["mean_attribution_sum"] - cells["mean_lost"]
    change = cells["mean_change"]
    share = map_sum / change.where(change.abs() >= MIN_CHANGE)
    by_cell = every.groupby(CELL_KEYS)
    units = by_cell.apply(lambda part: count_units(units_of(part))).to_numpy()
    alike = by_cell.apply(_change_correlation).to_numpy()
    cells.insert(cells.columns.get_loc("mean_logit"), "units", units)
    cells = cells.assign(explained_share=share, unit_correlation=alike)
    of_arrays = pd.DataFrame(
        [[getattr(one, name) for name in (*CELL_KEYS, *ERRORS)] for one in arrays],
        columns=[*CELL_KEYS, *ERRORS],
    )
    ratio = of_arrays["map_error"] / of_arrays["sampling_error"]
    of_arrays = of_arrays.assign(integration_ratio=ratio)
    return cells.merge(of_arrays, on=CELL_KEYS, how="left")


def _change_correlation(frames: pd.DataFrame) -> float:
    """How alike the mean changes of the videos of one unit are."""
    videos = frames.groupby(["unit", "video"], as_index=False)["change"].mean()
    return unit_correlation(videos["change"].to_numpy(), videos["unit"].to_numpy(str))
