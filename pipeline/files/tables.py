"""Tables in CSV files, whose names stay text: a method may be called `NA` or `001`."""

from pathlib import Path

import pandas as pd

from pipeline.files.atomic import replacing

NAMES = (
    "model protocol dataset compression method metric video target source shard "
    "outcome region heat score baseline other detector"
).split()


def read_csv(path: Path) -> pd.DataFrame:
    """A table that the pipeline wrote; empty cells are text in the columns NAMES, and
    NaN in all others."""
    table = pd.read_csv(
        path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""]
    )
    names = table.columns.intersection(NAMES)
    table[names] = table[names].fillna("")
    return table


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index; floats in the shortest form that reads back."""
    with replacing(path) as part:
        table.to_csv(part, index=False)
