"""Where the mean maps of two detectors differ, and whether this is significant.

Two detectors do not have the same scale of logits. So each mean map, and each of its
resamples, is divided by the sum of its absolute values on squares (its L1 norm) before
maps are subtracted: what is compared is where the maps are, and not how strong they
are. The ratio of the norms is a number of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays
from pipeline.statistics.significance import significant_difference

COLUMNS = [
    *("dataset", "compression", "method", "detector", "other"),
    "distance",  # L1 distance of the maps on squares, divided by their norms: 0..2
    "norm_ratio",  # norm of the mean map of `detector`, divided by that of `other`
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
        """The difference of the maps, each divided by its norm, (G, G)."""
        return normalised(self.cell) - normalised(self.other_cell)


def normalised(cell: CellArrays) -> np.ndarray:
    """A cell's mean map (G, G), divided by its norm on squares."""
    return cell.mean / norms(cell.pooled)


def norms(pooled: np.ndarray) -> np.ndarray:
    """The L1 norms of maps in squares (..., P, P), (..., 1, 1) float64; 1 if 0."""
    found = np.abs(pooled).sum((-2, -1), keepdims=True, dtype=np.float64)
    return np.where(found > 0, found, 1.0)


def on_one_scale(pooled: np.ndarray) -> np.ndarray:
    """Maps in squares (..., P, P), each divided by its L1 norm: float64."""
    return pooled / norms(pooled)


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
            resampled = on_one_scale(own.replicates) - on_one_scale(cell.replicates)
            paired = resampled.reshape(len(resampled), -1)
            mean = (on_one_scale(own.pooled) - on_one_scale(cell.pooled)).ravel()
            significant = significant_difference(mean, paired, own.units)
            significant = significant.reshape(own.pooled.shape)
            found.append(Difference(first, other, own, cell, significant))
    return found


def difference_table(found: Sequence[Difference]) -> pd.DataFrame:
    """One row for each pair of detectors and method, with the columns COLUMNS."""
    rows: list[tuple[object, ...]] = []
    for one in found:
        coarse, other = one.cell.pooled, one.other_cell.pooled
        rows.append(
            (
                *one.cell.slice,
                *(one.detector, one.other),
                np.abs(on_one_scale(coarse) - on_one_scale(other)).sum(),
                (norms(coarse) / norms(other)).item(),
                np.corrcoef(coarse.ravel(), other.ravel())[0, 1],
                one.significant.mean(),
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)
