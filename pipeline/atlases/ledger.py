"""What each facial region adds to the logit: a ledger that adds up."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL
from pipeline.atlases.cells import Cell
from pipeline.atlases.regions import REGIONS
from pipeline.statistics.bootstrap import interval

BESIDE = "beside the picture"  # what registration has moved off the grid
LEDGER_COLUMNS = [*CELL, *"region area logits low high frames videos people".split()]


def ledger(cells: Mapping[tuple, Cell], regions: np.ndarray) -> pd.DataFrame:
    """What each facial region adds to the mean change of the logit, a row a region.

    `logits` adds up over a cell's regions, the last of which is what lies beside the
    picture, to the row of the region "all": the mean sum of the maps. `low` and `high`
    hold the middle 95 % of resampled identities, and are NaN of a single one. `area` is
    the region's share of the picture.
    """
    area = np.bincount(regions.ravel(), minlength=len(REGIONS) + 1) / regions.size
    rows = []
    for key, cell in cells.items():
        values = cell.sums / cell.signed.count
        resampled = cell.regions.means()
        if len(cell.people) == 1:
            resampled = np.full_like(resampled, np.nan)
        counts = (cell.signed.count, len(cell.videos), len(cell.people))
        for name, share, value, of in zip(
            (*REGIONS, BESIDE), area, values, resampled.T, strict=True
        ):
            rows.append((*key, name, share, value, *interval(of), *counts))
        total = interval(resampled.sum(1))
        rows.append((*key, "all", 1.0, values.sum(), *total, *counts))
    return pd.DataFrame(rows, columns=LEDGER_COLUMNS)
