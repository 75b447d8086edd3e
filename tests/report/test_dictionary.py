"""The data dictionary describes every CSV file of a run, and its faults are found."""

import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.report.dictionary import (
    DICTIONARY,
    TYPES,
    describe,
    faults,
    read_dictionary,
)
from tests.support.documents import read

ROWS = read_dictionary()
# A value of each type that is within all ranges.
VALID = {"text": "a", "integer": "1", "number": "1.0", "boolean": "True"}
FRAMES = "atlases/m/p/b/frames.csv"
CLUSTERS = "atlases/m/p/b/clusters.csv"


def filled(pattern: str) -> str:
    """A name that matches a pattern."""
    return re.sub(r"\{\w+\}|\*", "x", pattern)


def valid_table(file: str) -> pd.DataFrame:
    """Two valid rows with all columns of a file, whose pattern has names in braces."""
    rows = [row for row in ROWS.itertuples() if row.file == file]
    values = {filled(row.column): VALID[row.type] for row in rows}
    return pd.DataFrame([values, values])


def write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def test_every_table_of_a_run_agrees_with_its_description(finished):
    results = finished.folder / "results"
    assert faults(results) == []
    assert len(finished.csvs()) > 30


def test_tables_that_follow_the_dictionary_have_no_fault(tmp_path):
    for file in ROWS["file"].unique():
        write(valid_table(file), tmp_path / filled(file))
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("label", "", "is empty"),
        ("label", "2", "'2' is not in 0..1"),
        ("completeness_error", "-0.1", "'-0.1' is not in 0..inf"),
        ("steps", "1.5", "'1.5' is not of the type integer"),
        ("logit", "high", "'high' is not of the type number"),
        ("logit", "nan", "'nan' is not of the type number"),
        ("converged", "yes", "'yes' is not of the type boolean"),
    ],
)
def test_a_wrong_value_is_found(tmp_path, column, value, fault):
    table = valid_table("atlases/{model}/{protocol}/{baseline}/frames.csv")
    table.loc[1, column] = value
    write(table, tmp_path / FRAMES)
    assert faults(tmp_path) == [f"{FRAMES}: {column}: row 3: {fault}"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("draw_error", ""), ("map_error", "inf"), ("logit", "-1e-05"), ("auroc", "0")],
)
def test_a_rare_but_valid_value_is_no_fault(tmp_path, column, value):
    table = valid_table("atlases/{model}/{protocol}/{baseline}/frames.csv")
    table.loc[1, column] = value
    write(table, tmp_path / FRAMES)
    assert faults(tmp_path) == []


def test_missing_and_unknown_columns_are_found(tmp_path):
    table = valid_table("atlases/{model}/{protocol}/{baseline}/clusters.csv")
    table = table.rename(columns={"share_x": "part_x"}).drop(columns="one_video")
    write(table, tmp_path / CLUSTERS)
    assert faults(tmp_path) == [
        f"{CLUSTERS}: one_video: this column of the dictionary is missing",
        f"{CLUSTERS}: share_*: this column of the dictionary is missing",
        f"{CLUSTERS}: part_x: this column is not in the dictionary",
    ]


def test_unknown_and_unreadable_files_are_found(tmp_path):
    write(pd.DataFrame({"n": [1]}), tmp_path / "faces/other.csv")
    write(pd.DataFrame({"n": [1]}), tmp_path / "logs/other.csv")  # of no stage
    (tmp_path / "faces/summary.csv").write_text("")
    other, summary = faults(tmp_path)
    assert other == "faces/other.csv: n: this column is not in the dictionary"
    assert summary.startswith("faces/summary.csv: cannot be read as a table (")


def test_the_first_pattern_describes_a_file():
    file = "metrics/small/all/predictions/videos.csv"
    frames = describe(file, "frames")
    assert frames is not None
    assert (frames.type, frames.unit, frames.low) == ("integer", "frames", 1)
    assert describe(file, "timestamp") is None
    assert describe("metrics/small/all/predictions/s-000.csv", "timestamp") is not None
    assert describe("metrics/small/all/other/s-000.csv", "timestamp") is None


def test_every_row_is_valid_and_describes_a_column():
    for row in ROWS.itertuples():
        found = describe(filled(row.file), filled(row.column))
        assert found is not None
        assert (found.file, found.column) == (row.file, row.column)
        assert row.type in TYPES, row
        assert row.low <= row.high, row
        assert re.fullmatch(r"[A-Z01].*[^.]\.", row.meaning), row
    assert not ROWS.duplicated(["file", "column"]).any()
    texts = pd.read_csv(DICTIONARY, dtype=str)
    assert set(texts["empty"]) == {"yes", "no"}


def test_the_list_of_outputs_names_every_file():
    page = read("docs/outputs.md")
    names = {Path(file).name for file in ROWS["file"]}
    named = {re.sub(r"\{(\w+)\}", r"<\1>", name) for name in names}
    assert {name for name in named if f"{name}`" not in page} == set()
