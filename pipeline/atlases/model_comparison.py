"""Where the mean maps of two detectors differ, and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays
from pipeline.atlases.overlays import (
    SCALE,
    Look,
    bare,
    colour_bar,
    mark_squares,
    outline,
    overlay,
    row_name,
    rows_of,
    shared_limit,
)
from pipeline.files.figures import save
from pipeline.statistics.significance import significant_difference

COLUMNS = [
    *("dataset", "compression", "method", "detector", "other"),
    "distance",  # L1 distance of the mean maps, as a share of the mean of their norms
    "correlation",  # of the mean maps, over coarse squares
    "significant_share",  # of the squares
]


@dataclass(frozen=True)
class Difference:
    """Of two detectors' mean maps of the same frames: `detector` minus `other`."""

    detector: str
    other: str
    cell: CellArrays  # of `detector`
    other_cell: CellArrays
    significant: np.ndarray  # (P, P) bool

    @property
    def map(self) -> np.ndarray:
        """(G, G), in logits."""
        return self.cell.mean - self.other_cell.mean


def differences(cells: Mapping[str, Sequence[CellArrays]]) -> list[Difference]:
    """The first detector against each of the others, in every method of a test set.

    Both were resampled by the same identities, so that the difference of each resample
    is paired.
    """
    first, *others = cells
    shown = {c.place: c for c in cells[first] if c.outcome == "all"}
    found = []
    for other in others:
        for cell in cells[other]:
            own = shown.get(cell.place)
            if cell.outcome != "all" or own is None:
                continue
            paired = (own.replicates - cell.replicates).reshape(len(own.replicates), -1)
            mean = (own.pooled - cell.pooled).ravel()
            where = significant_difference(mean, paired, own.people)
            where = where.reshape(own.pooled.shape)
            found.append(Difference(first, other, own, cell, where))
    return found


def difference_table(found: Sequence[Difference]) -> pd.DataFrame:
    """One row a pair of detectors and method."""
    rows = []
    for one in found:
        maps = [cell.mean.astype(np.float64) for cell in (one.cell, one.other_cell)]
        norm = np.mean([np.abs(map).sum() for map in maps])
        coarse = [cell.pooled.ravel() for cell in (one.cell, one.other_cell)]
        rows.append(
            (
                *one.cell.place,
                *(one.detector, one.other),
                np.abs(maps[0] - maps[1]).sum() / norm if norm else np.nan,
                np.corrcoef(*coarse)[0, 1],
                one.significant.mean(),
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def plot_differences(found: Sequence[Difference], look: Look, path: Path) -> None:
    """A row a method and pair: both mean maps, and their difference beside them."""
    figure, panels = plt.subplots(
        max(len(found), 1),
        3,
        figsize=(8.6, 2.5 * max(len(found), 1) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    places = rows_of(one.cell.place for one in found)
    ordered = sorted(found, key=lambda one: places.index(one.cell.place))
    for row, one in zip(panels, ordered, strict=False):
        maps = (one.cell.mean, one.other_cell.mean, one.map)
        names = (one.detector, one.other, "difference")
        limit = shared_limit(maps[:2])
        for axes, map, name in zip(row, maps, names, strict=True):
            bare(axes)
            axes.imshow(overlay(map, one.cell.face, limit, look.colormap, look.opacity))
            outline(axes, one.cell.mask)
            axes.set_title(name, fontsize=9, loc="left")
        mark_squares(row[2], one.significant, len(one.cell.face))
        row[0].set_ylabel(row_name(one.cell.place, places), fontsize=10)
        colour_bar(figure, row, limit, look.colormap)
    figure.suptitle(f"mean attributions of two detectors\n{SCALE}", fontsize=11)
    save(figure, path)
