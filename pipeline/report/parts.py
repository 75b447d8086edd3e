"""The parts that the sections of the report are declared with: figures and tables.

A part names its file by a pattern, relative to the results folder, with the names
`{model}`, `{protocol}`, `{baseline}` and `{shard}` in it. It is shown once for each
file of the run that exists, and nowhere if there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pipeline.report.tables import (
    Row,
    Tables,
    Where,
    interval_of,
    records,
    value_of,
)
from pipeline.report.values import TEXT, Interval, Value

Place = Mapping[str, str]  # the names in a pattern, with their values
LISTED_FACTS = 40  # at most, of each kind, in the text of a figure


@dataclass(frozen=True)
class Facts:
    """Numbers of a table that say in words what a figure shows.

    Attributes:
        what: is measured.
        file: the pattern of the table.
        value: the column of the numbers.
        style: how they are shown.
        names: the columns that say what each number belongs to.
        where: the rows, by the values of columns.
        interval: whether the columns `low` and `high` hold its interval.
    """

    what: str
    file: str
    value: str
    style: str
    names: Sequence[str] = ("method",)
    where: Where = field(default_factory=dict)
    interval: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure, with what a reader should know.

    Attributes:
        file: the pattern of the PNG file.
        caption: what it shows.
        look_for: what to look for, and what would be wrong.
        facts: the numbers of its alternative text.
        has_faces: whether faces can be seen in it.
        needs: what a run must have for it: see `RunDescription.has`.
    """

    file: str
    caption: str
    look_for: str
    facts: Sequence[Facts]
    has_faces: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page: some rows and columns of a file.

    Attributes:
        file: the pattern of the CSV file.
        caption: what it shows.
        names: the columns that say what a row is.
        columns: further columns and how their values are shown; of a file with a
            `pivot`, the values of the pivot and how they are shown.
        where: the rows, by the values of columns.
        pivot: the column whose values become columns, if any; the numbers are in
            `value`, `low` and `high`.
        interval: whether `low` and `high` hold the interval of the first of `columns`.
        counts: columns of a file with a pivot that are the same for the values of a row
            of the page.
        empty: what it means if the file has no such row; "": the table is left out.
        needs: what a run must have for it: see `RunDescription.has`.
    """

    file: str
    caption: str
    names: Sequence[str]
    columns: Mapping[str, str]
    where: Where = field(default_factory=dict)
    pivot: str = ""
    interval: bool = False
    counts: Sequence[str] = ()
    empty: str = ""
    needs: str = ""


@dataclass(frozen=True)
class FoundFacts:
    """The numbers that a figure shows, in words.

    Attributes:
        what: is measured.
        file: the table.
        facts: the numbers.
        is_cut: whether the table has more of them.
    """

    what: str
    file: str
    facts: Sequence["Fact"]
    is_cut: bool

    @property
    def text(self) -> str:
        """The numbers as one sentence without markup."""
        more = f"; and more in {self.file}" if self.is_cut else ""
        return f"{self.what}: {'; '.join(map(str, self.facts))}{more}."


@dataclass(frozen=True)
class Fact:
    """A number, and what it is of."""

    names: Sequence[Value]
    value: Value | Interval

    def __str__(self) -> str:
        names = ", ".join(name.text for name in self.names)
        return f"{names}: {self.value}" if names else str(self.value)


@dataclass(frozen=True)
class Cell:
    """A cell of a table of the page; None if the file has no such value."""

    value: Value | Interval | None
    is_name: bool


@dataclass(frozen=True)
class FilledTable:
    """A table as it is shown.

    Attributes:
        file: its path, relative to the results folder.
        caption: what it shows.
        columns: the columns of the file that are shown, with the title of each.
        rows: the cells of each row.
        empty: what it means that there are no rows.
    """

    file: str
    caption: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""


def read_facts(facts: Facts, tables: Tables, place: Place) -> FoundFacts | None:
    """The numbers of a table; None if the file, a column or such a row is not there."""
    file, rows = _rows(facts, tables, place)
    if rows is None or not {*facts.names, facts.value} <= set(rows.columns):
        return None
    read = interval_of if facts.interval else value_of
    address = tables.prefix + file
    found = [
        Fact(
            [value_of(row, address, name) for name in facts.names],
            read(row, address, facts.value, facts.style),
        )
        for row in records(rows.head(LISTED_FACTS))
    ]
    if not found:
        return None
    return FoundFacts(facts.what, address, found, len(rows) > LISTED_FACTS)


def _rows(
    part: Facts | Table, tables: Tables, place: Place
) -> tuple[str, pd.DataFrame | None]:
    """The file of a part, and the rows that it asks for; None if there are none.

    The values in `where` may hold the names of the pattern.
    """
    file = part.file.format(**place)
    where = {
        column: value.format(**place) if isinstance(value, str) else value
        for column, value in part.where.items()
    }
    return file, tables.select(file, where)


def fill(table: Table, tables: Tables, place: Place) -> FilledTable | None:
    """A table with its values.

    None if the file is not there, or has no such row and the table has no `empty`.
    """
    file, rows = _rows(table, tables, place)
    if rows is None:
        return None
    if not len(rows):
        shown = FilledTable(file, table.caption, [], [], table.empty)
        return shown if table.empty else None
    address = tables.prefix + file
    read = _pivoted if table.pivot else _plain
    return read(table, rows, address)


def _plain(table: Table, rows: pd.DataFrame, file: str) -> FilledTable:
    names = [name for name in table.names if name in rows.columns]
    shown = [name for name in table.columns if name in rows.columns]
    first = shown[0] if table.interval and shown else ""
    cells = []
    for row in records(rows):
        line = [Cell(value_of(row, file, name), True) for name in names]
        for column in shown:
            read = interval_of if column == first else value_of
            style = table.columns[column]
            line.append(Cell(read(row, file, column, style), style == TEXT))
        cells.append(line)
    columns = [(column, title_of(column)) for column in (*names, *shown)]
    return FilledTable(file, table.caption, columns, cells)


def _pivoted(table: Table, rows: pd.DataFrame, file: str) -> FilledTable:
    present = set(rows[table.pivot])
    shown = {name: style for name, style in table.columns.items() if name in present}
    cells = []
    has_interval = {"low", "high"} <= set(rows.columns)
    read = interval_of if has_interval else value_of
    parts: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in records(rows):
        names = tuple(row[name] for name in table.names)
        parts.setdefault(names, {})[row[table.pivot]] = row
    for by_name in parts.values():
        first = next(iter(by_name.values()))
        line = [Cell(value_of(first, file, name), True) for name in table.names]
        line += [Cell(value_of(first, file, c, "d"), False) for c in table.counts]
        for name, style in shown.items():
            one = by_name.get(name)
            found = None if one is None else read(one, file, "value", style)
            line.append(Cell(found, False))
        cells.append(line)
    columns = [(name, title_of(name)) for name in (*table.names, *table.counts)]
    columns += [("value", title_of(name)) for name in shown]
    return FilledTable(file, table.caption, columns, cells)


# Titles of columns whose names are not plain words.
TITLES = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_1": "true positives at 1 % false ones",
    "tpr_at_fpr_10": "true positives at 10 % false ones",
    "ece": "calibration error",
    "ece_calibrated": "calibration error after temperature scaling",
    "psnr": "PSNR",
    "dataset": "data set",
    "fake": "fakes",
    "std": "standard deviation",
    "integration_ratio": "map error divided by sampling error",
    "same_set": "baseline of the same data set",
}


def title_of(column: str) -> str:
    """The title of a column in the page."""
    return TITLES.get(column, column.replace("_", " "))
