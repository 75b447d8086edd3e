"""What the pipeline's HDF5 files have in common: their mark, and tables in them."""

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
    """Write what explains a file by itself into its attributes."""
    file.attrs["format"], file.attrs["version"] = kind, version
    file.attrs["provenance"] = json.dumps(provenance, indent=1)


def open_marked(path: str | Path, kind: str, version: int) -> h5py.File:
    """Open a file to read; StepError unless it is whole, of this kind and version."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if error.errno is not None:  # it is not there, or may not be read
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
    """Write each column of a table as a dataset: text as UTF-8, the rest as it is."""
    for name in table.columns:
        values = table[name]
        if pd.api.types.is_numeric_dtype(values.dtype):
            group.create_dataset(name, data=values.to_numpy())
        else:
            kind = h5py.string_dtype()
            group.create_dataset(name, data=values.to_numpy(object), dtype=kind)


def read_table(group: h5py.Group) -> pd.DataFrame:
    """Read what `write_table` wrote, with columns in alphabetical order."""
    return pd.DataFrame(
        {
            name: data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:]
            for name, data in group.items()
        }
    )
