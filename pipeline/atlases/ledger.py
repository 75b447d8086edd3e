"""How much each facial region adds to the logit. The parts add up to the total."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL_KEYS, CellKey
from pipeline.atlases.cells import Cell
from pipeline.atlases.regions import REGIONS
from pipeline.statistics.bootstrap import interval

OFF_GRID_REGION = "beside the picture"  # what registration has moved off the grid
LEDGER_COLUMNS = [
    *CELL_KEYS,
    *"region area logits low high frames videos people".split(),
]


def ledger(cells: Mapping[CellKey, Cell], regions: np.ndarray) -> pd.DataFrame:
    """How much each facial region adds to the mean change of the logit.

    `regions` (G, G) is the grid of `region_grid`. Returns one row for each cell and
    region, with the columns LEDGER_COLUMNS. `logits` of all regions of a cell,
    including OFF_GRID_REGION, adds up to the row of the region "all": the mean sum of
    the maps. `low` and `high` hold the middle 95 % over resampled identities, and are
    NaN if there is only one. `area` is the region's share of the picture.
    """
    area = np.bincount(regions.ravel(), minlength=len(REGIONS) + 1) / regions.size
    rows: list[tuple[object, ...]] = []
    for key, cell in cells.items():
        values = cell.region_sums / cell.signed.count
        resampled = cell.regions.means()  # (B, R + 1)
        if len(cell.people) == 1:
            resampled = np.full_like(resampled, np.nan)
        counts = (cell.signed.count, len(cell.videos), len(cell.people))
        for name, share, value, resamples in zip(
            (*REGIONS, OFF_GRID_REGION), area, values, resampled.T, strict=True
        ):
            rows.append((*key, name, share, value, *interval(resamples), *counts))
        total = interval(resampled.sum(1))
        rows.append((*key, "all", 1.0, values.sum(), *total, *counts))
    return pd.DataFrame(rows, columns=LEDGER_COLUMNS)
