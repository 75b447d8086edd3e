"""Tables and HDF5 files are read back as they were written."""

import h5py
import numpy as np
import pandas as pd
import pytest

from pipeline.files.hdf5 import mark, open_marked
from pipeline.files.tables import read_csv, write_csv
from pipeline.runtime.errors import StepError


def test_names_stay_text_and_numbers_stay_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "dataset": ["001", "1e5"],
            "method": ["NA", "null"],
            "source": ["", "nan"],
            "video": ['a,"b"', "ü"],
            "value": [0.1 + 0.2, np.nan],
            "frames": [3, 4],
            "converged": [True, False],
        }
    )
    write_csv(table, tmp_path / "t.csv")
    found = read_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert found["frames"].dtype == np.int64
    assert found["converged"].dtype == bool


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_csv(pd.DataFrame(columns=["method", "value"]), tmp_path / "t.csv")
    assert list(read_csv(tmp_path / "t.csv")) == ["method", "value"]


def test_damaged_files_and_files_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        mark(file, "kind", 1, {})
        file["values"] = np.arange(10_000)
    with open_marked(path, "kind", 1) as file:
        assert len(file["values"]) == 10_000
    with pytest.raises(StepError, match=r"a\.h5: is 'kind 1', not 'kind' of version 2"):
        open_marked(path, "kind", 2)
    whole = path.read_bytes()
    for content in (whole[:3000], b"", b"no HDF5 at all" * 100):
        path.write_bytes(content)
        with pytest.raises(StepError, match=r"a\.h5: is damaged .*; delete it and run"):
            open_marked(path, "kind", 1)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(StepError, match=r"a\.h5: is '\? \?', not 'kind' .*delete it"):
        open_marked(path, "kind", 1)
    with pytest.raises(FileNotFoundError):
        open_marked(tmp_path / "none.h5", "kind", 1)
