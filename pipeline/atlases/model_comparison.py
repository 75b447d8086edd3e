"""Where the mean maps of two detectors differ, and whether this is significant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays
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
    units in each resample, so that differences of resamples are paired.
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
            significant = significant_difference(mean, paired, own.units)
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
