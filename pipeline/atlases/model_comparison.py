"""Where the mean maps of two detectors differ, and whether this is significant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays
from pipeline.atlases.overlays import (
    SCALE_NOTE,
    Look,
    colour_bar,
    figure_rows,
    hide_axes,
    outline_mask,
    outline_squares,
    overlay,
    row_label,
    shared_limit,
)
from pipeline.files.figures import save
from pipeline.statistics.significance import significant_difference

COLUMNS = [
    *("dataset", "compression", "method", "detector", "other"),
    "distance",  # L1 distance of the mean maps, as a share of the mean of their norms
    "correlation",  # of the mean maps, over coarse squares
    "significant_share",  # share of the squares that differ significantly
]


@dataclass(frozen=True)
class Difference:
    """The difference of two detectors' mean maps of the same frames.

    Attributes:
        detector: the name of the first detector.
        other: the name of the second one, which is subtracted.
        cell: the cell of `detector`.
        other_cell: the cell of `other`.
        significant: (P, P) bool: which squares differ significantly.
    """

    detector: str
    other: str
    cell: CellArrays
    other_cell: CellArrays
    significant: np.ndarray

    @property
    def heatmap(self) -> np.ndarray:
        """The difference, (G, G) in logits."""
        return self.cell.mean - self.other_cell.mean


def differences(cells: Mapping[str, Sequence[CellArrays]]) -> list[Difference]:
    """Compare the first detector with each of the others, for each method of a test
    set.

    `cells` are the cells of each detector, by its name. Both detectors have the same
    identities in each resample, so that differences of resamples are paired.
    """
    first, *others = cells
    first_cells = {c.slice: c for c in cells[first] if c.outcome == "all"}
    found = []
    for other in others:
        for cell in cells[other]:
            own = first_cells.get(cell.slice)
            if cell.outcome != "all" or own is None:
                continue
            paired = (own.replicates - cell.replicates).reshape(len(own.replicates), -1)
            mean = (own.pooled - cell.pooled).ravel()
            significant = significant_difference(mean, paired, own.people)
            significant = significant.reshape(own.pooled.shape)
            found.append(Difference(first, other, own, cell, significant))
    return found


def difference_table(found: Sequence[Difference]) -> pd.DataFrame:
    """One row for each pair of detectors and method, with the columns COLUMNS."""
    rows: list[tuple[object, ...]] = []
    for one in found:
        maps = [cell.mean.astype(np.float64) for cell in (one.cell, one.other_cell)]
        norm = np.mean([np.abs(heatmap).sum() for heatmap in maps])
        coarse, other_coarse = one.cell.pooled.ravel(), one.other_cell.pooled.ravel()
        rows.append(
            (
                *one.cell.slice,
                *(one.detector, one.other),
                np.abs(maps[0] - maps[1]).sum() / norm if norm else np.nan,
                np.corrcoef(coarse, other_coarse)[0, 1],
                one.significant.mean(),
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def plot_differences(found: Sequence[Difference], look: Look, path: Path) -> None:
    """Draw a row for each method and pair: both mean maps, and their difference."""
    figure, panels = plt.subplots(
        max(len(found), 1),
        3,
        figsize=(8.6, 2.5 * max(len(found), 1) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    slices = figure_rows(one.cell.slice for one in found)
    ordered = sorted(found, key=lambda one: slices.index(one.cell.slice))
    for row, one in zip(panels, ordered, strict=False):
        maps = (one.cell.mean, one.other_cell.mean, one.heatmap)
        names = (one.detector, one.other, "difference")
        limit = shared_limit(maps[:2])
        for axes, heatmap, name in zip(row, maps, names, strict=True):
            hide_axes(axes)
            axes.imshow(overlay(heatmap, one.cell.face, limit, look))
            outline_mask(axes, one.cell.mask)
            axes.set_title(name, fontsize=9, loc="left")
        outline_squares(row[2], one.significant, len(one.cell.face))
        row[0].set_ylabel(row_label(one.cell.slice, slices), fontsize=10)
        colour_bar(figure, row, limit, look)
    figure.suptitle(f"mean attributions of two detectors\n{SCALE_NOTE}", fontsize=11)
    save(figure, path)
