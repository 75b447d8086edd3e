"""The tables of a run, read as text, so that every value keeps its digits."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report.values import TEXT, Interval, Value

ROW = "\0row"  # the column with the number of each row in its file

Where = Mapping[str, str | Collection[str]]


class Tables:
    """The tables below a folder of results, by their paths relative to it.

    `shown` says which rows of a table are of the run. `prefix` precedes the paths in
    the addresses of values: that of another run.
    """

    def __init__(
        self,
        results: Path,
        shown: Callable[[pd.DataFrame], pd.Series],
        prefix: str = "",
    ) -> None:
        self.results, self.shown, self.prefix = results, shown, prefix
        self.read = lru_cache(maxsize=64)(self._read)

    def _read(self, file: str) -> pd.DataFrame | None:
        """The rows of the run as texts, with the column ROW; None without the file."""
        path = self.results / file
        if not path.is_file() or not path.stat().st_size:
            return None
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table[ROW] = range(1, len(table) + 1)
        return table[self.shown(table)]

    def select(self, file: str, where: Where) -> pd.DataFrame | None:
        """The rows of a table whose columns have the given values.

        None if the file is not there, or lacks one of these columns.
        """
        table = self.read(file)
        if table is None or not set(where) <= set(table.columns):
            return None
        kept = pd.Series(True, index=table.index)
        for column, wanted in where.items():
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            kept &= table[column].isin(names)
        return table[kept]


Row = Mapping[str, Any]  # a row of `Tables.read`


def records(table: pd.DataFrame) -> list[Row]:
    """The rows of a table, as dictionaries: pandas reads a cell ten times as slowly."""
    return table.to_dict("records")


def value_of(row: Row, file: str, column: str, style: str = TEXT) -> Value:
    """A value of a row of `Tables.read`."""
    return Value(row[column], file, int(row[ROW]), column, style)


def interval_of(row: Row, file: str, column: str, style: str) -> Interval:
    """A value with the interval in the columns `low` and `high`."""
    cells = [value_of(row, file, name, style) for name in (column, "low", "high")]
    return Interval(*cells)
