"""The data dictionary: what each column of each CSV file of a run holds.

`dictionary.csv` has one row for each column of each file, with the columns

- file: the file, relative to the results folder. It is a pattern: a name in braces, or
  a `*`, stands for any text without a slash.
- column: the column's name, or a pattern of several names, such as `share_*`.
- type: one of TYPES.
- unit: the unit of the values, such as logit, px or share (0..1); "" if there is none.
- low, high: the range of valid values, both included; "" if it is unlimited.
- empty: yes or no: whether a value may be missing.
- meaning: what a value says, and what it is averaged over.

A file is described by the rows of the first pattern that it matches, and a column by
the first of these rows that it matches.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

DICTIONARY = Path(__file__).with_name("dictionary.csv")
FOLDERS = (
    *("videos", "faces", "models", "metrics", "attributions", "atlases", "report"),
)
# How values of each type are written in a file.
TYPES = {
    "text": r"(?s).*",
    "integer": r"-?\d+",
    "number": r"-?(\d+(\.\d*)?(e[+-]?\d+)?|inf)",
    "boolean": r"True|False",
}
ROUNDING = 1e-9  # by which a sum of floats may leave its range


@dataclass(frozen=True)
class Description:
    """A row of the dictionary.

    Attributes:
        file: the pattern of the files, relative to the results folder.
        column: the name of the column, or a pattern of names.
        type: one of TYPES.
        unit: the unit of the values; "" if there is none.
        low: the lowest valid value; -inf if there is none.
        high: the highest valid value; inf if there is none.
        empty: whether a value may be missing.
        meaning: what a value says.
    """

    file: str
    column: str
    type: str
    unit: str
    low: float
    high: float
    empty: bool
    meaning: str


def read_dictionary() -> pd.DataFrame:
    """The dictionary, one row for each column of each file.

    The columns are those of `Description`. `low` and `high` are float64, -inf and inf
    if unlimited, and `empty` is bool. All other columns are text.
    """
    table = pd.read_csv(DICTIONARY, dtype=str, keep_default_na=False)
    return table.assign(
        low=table["low"].replace("", "-inf").astype(np.float64),
        high=table["high"].replace("", "inf").astype(np.float64),
        empty=table["empty"] == "yes",
    )


def describe(file: str, column: str) -> Description | None:
    """The description of a column; None if the dictionary does not have it.

    `file` is relative to the results folder, with slashes.
    """
    return _first(_rows_of(file), column)


def faults(results: Path) -> list[str]:
    """Where the CSV files of a run and the dictionary disagree: one line each.

    Reads each CSV file in FOLDERS of the folder `results`. A fault is a column that the
    dictionary does not have, a row of the dictionary that no column of its file
    matches, or a column with a value that is missing, of another type or out of range.
    The line names the file, the column, and the first row that is wrong (the header is
    row 1). There may be files of the dictionary that a run does not have.
    """
    found = []
    for folder in FOLDERS:
        for path in sorted((results / folder).rglob("*.csv")):
            file = path.relative_to(results).as_posix()
            found += [f"{file}: {fault}" for fault in _faults_of_file(path, file)]
    return found


@cache
def _descriptions() -> tuple[Description, ...]:
    rows = read_dictionary().to_dict("records")
    return tuple(Description(**{str(k): v for k, v in row.items()}) for row in rows)


def _matches(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern, in which `{word}` and `*` are any text without
    a slash."""
    return _expression(pattern).fullmatch(name) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}|\*", pattern)
    return re.compile("[^/]*".join(map(re.escape, parts)))


def _rows_of(file: str) -> list[Description]:
    """The rows of the first pattern that a file matches; none if there is no such
    pattern."""
    rows = _descriptions()
    pattern = next((row.file for row in rows if _matches(file, row.file)), None)
    return [row for row in rows if row.file == pattern]


def _first(rows: list[Description], column: str) -> Description | None:
    return next((row for row in rows if _matches(column, row.column)), None)


def _faults_of_file(path: Path, file: str) -> Iterator[str]:
    """The faults of a file, without its name. `file` is relative to the results."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        yield f"cannot be read as a table ({error})"
        return
    rows = _rows_of(file)
    for row in rows:
        if not any(_matches(column, row.column) for column in table):
            yield f"{row.column}: this column of the dictionary is missing"
    for column in table:
        described = _first(rows, column)
        if described is None:
            yield f"{column}: this column is not in the dictionary"
            continue
        for fault in _faults_of_column(table[column], described):
            yield f"{column}: {fault}"


def _faults_of_column(cells: pd.Series, row: Description) -> Iterator[str]:
    """The faults of the cells (N,) of a column, as text: at most one of each kind."""
    empty = cells == ""
    typed = cells.str.fullmatch(TYPES[row.type]).astype(bool)
    numeric = typed & ~empty & (row.type in ("integer", "number"))
    values = cells.where(numeric).astype(np.float64)
    outside = (values < row.low - ROUNDING) | (values > row.high + ROUNDING)
    kinds = {
        "is empty": empty & (not row.empty),
        f"is not of the type {row.type}": ~typed & ~empty,
        f"is not in {row.low:g}..{row.high:g}": outside,
    }
    for fault, wrong in kinds.items():
        if wrong.any():
            first = int(wrong.to_numpy().argmax())
            shown = f"{cells.iloc[first]!r} " if cells.iloc[first] else ""
            yield f"row {first + 2}: {shown}{fault}"
