"""The captions of an atlas' cells in its pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL_KEYS
from pipeline.atlases.differences import REAL_FACES, ZERO
from pipeline.files.figures import counted

# An integration error up to this share of the sampling error is called small: it makes
# the total error at most 5 % larger.
MAX_SMALL_RATIO = 0.3

# The caption of each cell, by data set, compression, method and outcome.
Captions = Mapping[tuple[str, str, str, str], str]


def cell_captions(summary: pd.DataFrame, significance: pd.DataFrame) -> Captions:
    """The caption of each cell of a cell table: counts, and the logits explained.

    `significance` has the rows of the same atlas in the table of `mark_differences`.
    """
    tested = significance[significance["comparison"].isin([REAL_FACES, ZERO])]
    columns = [*CELL_KEYS, "significant_share", "significant_logits"]
    summary = summary.merge(tested[columns], on=CELL_KEYS, how="left")
    return {
        (c.dataset, c.compression, c.method, c.outcome): (
            f"{c.outcome}: {counted(c.frames, 'frame')}, {counted(c.videos, 'video')}, "
            f"{counted(c.units, 'unit')}{_not_converged(c.frames, c.converged_share)}\n"
            f"sum {c.mean_attribution_sum - c.mean_lost:+.2f} of "
            f"{c.mean_change:+.2f} logits{_off_grid(c.mean_lost)}\n"
            f"{_error(c.map_error, c.integration_ratio)}"
            f"{_significant(c) if c.label == 1 and c.outcome == 'all' else ''}"
        )
        for c in summary.itertuples()
    }


def _error(map_error: float, ratio: float) -> str:
    """The integration error of the mean map, and whether it is small."""
    if np.isnan(map_error):
        return "map error unknown"
    text = f"map error {map_error:.1%}"
    if np.isnan(ratio):
        return text
    text += f", {ratio:.2f} of sampling error"
    return f"{text}: NOT SMALL" if ratio > MAX_SMALL_RATIO else text


def _significant(cell: Any) -> str:
    """How much of a fake cell's picture is significant, and how large it is."""
    if np.isnan(cell.significant_share):
        return "\nnot tested"
    if cell.significant_share == 0:
        return "\nno square is significant"
    share, logits = cell.significant_share, cell.significant_logits
    return f"\nsignificant: {share:.1%} of squares, {logits:+.2f} logits"


def _not_converged(frames: int, converged_share: float) -> str:
    """How many frames' maps miss the tolerance; "" if none does."""
    count = round(frames * (1 - converged_share))
    return f", {count} not converged" if count else ""


def _off_grid(logits: float) -> str:
    """The part of a map that lies outside the picture; "" if it rounds to zero."""
    return f" ({logits:+.2f} outside)" if abs(logits) >= 0.005 else ""
