"""How much each facial region adds to the logit. The parts add up to the total."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL_KEYS, CellKey
from pipeline.atlases.cells import Cell
from pipeline.atlases.regions import REGIONS, region_sums
from pipeline.statistics.resampling import count_units, interval

OFF_GRID_REGION = "beside the picture"  # what registration has moved off the grid
LEDGER_COLUMNS = [
    *CELL_KEYS,
    *"region area logits low high moved_low moved_high frames videos units".split(),
]


def ledger(
    cells: Mapping[CellKey, Cell], regions: np.ndarray, moved: np.ndarray
) -> pd.DataFrame:
    """How much each facial region adds to the mean change of the logit.

    `regions` (G, G) is the grid of `region_grid`, and `moved` (D, G, G) are those of
    `moved_region_grids`. Returns one row for each cell and
    region, with the columns LEDGER_COLUMNS. `logits` of all regions of a cell,
    including OFF_GRID_REGION, adds up to the row of the region "all": the mean sum of
    the maps. `low` and `high` are the 95 % interval over resamples of units. `area` is
    the region's share of the picture.

    `moved_low` and `moved_high` are the smallest and the largest `logits` of the region
    over the grids of `regions` and `moved`. The whole picture and what is beside it do
    not move: there, both are `logits`.
    """
    area = np.bincount(regions.ravel(), minlength=len(REGIONS) + 1) / regions.size
    rows: list[tuple[object, ...]] = []
    for key, cell in cells.items():
        values = cell.region_sums / cell.signed.count
        drawn = cell.regions.means()  # (B, R + 1)
        units = count_units(cell.units)
        counts = (cell.signed.count, len(cell.videos), units)
        for name, share, value, one, reach in zip(
            (*REGIONS, OFF_GRID_REGION),
            area,
            values,
            drawn.T,
            _ranges(values, cell.signed.mean, moved),
            strict=True,
        ):
            bounds = interval(value, one, units)
            rows.append((*key, name, share, value, *bounds, *reach, *counts))
        total = values.sum()
        bounds = interval(total, drawn.sum(1), units)
        rows.append((*key, "all", 1.0, total, *bounds, total, total, *counts))
    return pd.DataFrame(rows, columns=LEDGER_COLUMNS)


def _ranges(values: np.ndarray, mean: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The smallest and the largest sum of each region: (R + 1, 2) logits.

    `values` (R + 1,) are the sums of a cell without moving, and `mean` (G, G) is its
    mean map. A sum is linear in the maps, so the mean map suffices.
    """
    others = [
        np.append(region_sums(mean[None], regions)[0], values[-1]) for regions in moved
    ]
    every = np.stack([values, *others])
    return np.column_stack([every.min(0), every.max(0)])
