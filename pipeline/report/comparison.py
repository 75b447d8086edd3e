"""Another run beside this one: its metrics, and its configuration."""

from collections.abc import Sequence

from pipeline.report.parts import Cell, FilledTable, Table, fill
from pipeline.report.run_description import RunDescription, flat
from pipeline.report.tables import Tables
from pipeline.report.values import Setting

THIS, OTHER = "this run", "the other run"


def beside(
    table: Table, this: Tables, other: Tables, shown: Sequence[str]
) -> FilledTable | None:
    """The rows of a table with a pivot that both runs have, beside each other.

    `shown` are the values of the pivot that are shown, each for both runs. None if a
    run lacks the table, or if they share no row.
    """
    columns = {name: table.columns[name] for name in shown}
    narrow = Table(table.file, table.caption, table.names, columns, pivot=table.pivot)
    found = fill(narrow, this, {}), fill(narrow, other, {})
    if found[0] is None or found[1] is None:
        return None
    count = len(table.names)
    titles = [title for _, title in found[0].columns[count:]]
    of_other = {
        _names(row, count): dict(
            zip([t for _, t in found[1].columns[count:]], row[count:], strict=True)
        )
        for row in found[1].rows
    }
    empty = Cell(None, False)
    rows: list[Sequence[Cell]] = []
    for row in found[0].rows:
        match = of_other.get(_names(row, count))
        if match is not None:
            pairs = zip(row[count:], titles, strict=True)
            both = [(cell, match.get(title, empty)) for cell, title in pairs]
            rows.append([*row[:count], *(cell for pair in both for cell in pair)])
    if not rows:
        return None
    shown_columns = list(found[0].columns[:count])
    for title in titles:
        shown_columns += [("value", f"{title}, {run}") for run in (THIS, OTHER)]
    return FilledTable(found[0].file, table.caption, shown_columns, rows)


def _names(row: Sequence[Cell], count: int) -> tuple[str, ...]:
    return tuple("" if cell.value is None else cell.value.text for cell in row[:count])


def config_differences(
    this: RunDescription, other: RunDescription
) -> list[tuple[Setting, Setting]]:
    """The keys of the configuration whose values differ, with both values."""
    one, two = dict(flat(this.config)), dict(flat(other.config))
    keys = dict.fromkeys([*one, *two])
    return [
        (Setting(key, one.get(key)), Setting(key, two.get(key)))
        for key in keys
        if key != "results" and not key.startswith("report.")
        if one.get(key) != two.get(key)
    ]
