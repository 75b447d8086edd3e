"""What all HDF5 files of the pipeline share: header attributes, and tables."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from pipeline.runtime.errors import StepError


def mark(
    file: h5py.File, kind: str, version: int, provenance: Mapping[str, Any]
) -> None:
    """Write format, version and provenance (as JSON) into the attributes of a file."""
    file.attrs["format"], file.attrs["version"] = kind, version
    file.attrs["provenance"] = json.dumps(provenance, indent=1)


def open_marked(path: str | Path, kind: str, version: int) -> h5py.File:
    """Open a file for reading.

    Raises StepError if it is damaged or of another kind or version, and OSError if it
    does not exist or may not be read.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if error.errno is not None:  # it does not exist, or may not be read
            raise
        raise StepError(
            f"{path}: is damaged ({error}); delete it and run Snakemake again"
        ) from error
    found = " ".join(str(file.attrs.get(name, "?")) for name in ("format", "version"))
    if found != f"{kind} {version}":
        file.close()
        raise StepError(
            f"{path}: is {found!r}, not {kind!r} of version {version}; delete it and "
            "run Snakemake again"
        )
    return file


def write_table(group: h5py.Group, table: pd.DataFrame) -> None:
    """Write each column of a table as a dataset: text as UTF-8, numbers unchanged."""
    for name in table.columns:
        values = table[name]
        if pd.api.types.is_numeric_dtype(values.dtype):
            group.create_dataset(name, data=values.to_numpy())
        else:
            kind = h5py.string_dtype()
            group.create_dataset(name, data=values.to_numpy(object), dtype=kind)


def read_table(group: h5py.Group) -> pd.DataFrame:
    """Read a table that `write_table` wrote; columns are in alphabetical order."""
    return pd.DataFrame(
        {
            name: data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:]
            for name, data in group.items()
        }
    )
