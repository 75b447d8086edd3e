"""Tables in CSV files. Names stay text: a method may be called `NA` or `001`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.files.atomic import replacing

TEXT_COLUMNS = (
    "model protocol dataset compression method metric video target source unit "
    "second_unit original shard outcome region truth heat score baseline "
    "baseline_video other detector face_detector comparison measure order curve "
    "scale pose"
).split()


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that the pipeline wrote.

    Empty cells are "" in TEXT_COLUMNS and NaN in all other columns.
    """
    table = pd.read_csv(
        path,
        dtype=dict.fromkeys(TEXT_COLUMNS, str),
        keep_default_na=False,
        na_values=[""],
    )
    texts = table.columns.intersection(TEXT_COLUMNS)
    table[texts] = table[texts].fillna("")
    return table


def stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other, with rows numbered anew; at least one table.

    An empty table has no dtypes and is left out, because it would change those of the
    others. If all are empty, the first is returned.
    """
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index. Floats have no more digits than needed."""
    with replacing(path) as part:
        table.to_csv(part, index=False)
