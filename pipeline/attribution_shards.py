"""Attribution shards: the HDF5 files that hold a test shard's attribution maps.

Layout (version 1), N maps:

    maps              (N, S, S) float16: signed, summed over the colours, in logits
    frames/<column>   (N,): video, method, label, has_mask, number, crop (row of the
                      face shard), logit, baseline_logit, attribution_sum,
                      completeness_error, converged
    attributes        format, version, provenance (JSON)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.atomic import replacing
from pipeline.face_shards import check_mark, mark, read_table, write_table

FORMAT, VERSION = "deepfake-atlas attributions", 1


class AttributionShardWriter:
    """Appends maps, so that memory does not grow with their number."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file, self.tables = file, []
        self.maps = file.create_dataset(
            "maps",
            (0, size, size),
            np.float16,
            maxshape=(None, size, size),
            chunks=(1, size, size),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
        )

    def add(self, maps: np.ndarray, frames: pd.DataFrame) -> None:
        """Append maps (B, S, S) and their rows of the table, in the same order."""
        start = len(self.maps)
        self.maps.resize(start + len(maps), axis=0)
        self.maps[start:] = maps
        self.tables.append(frames)


@contextmanager
def writing_attributions(
    path: Path, size: int, provenance: Mapping[str, Any], columns: Sequence[str]
) -> Iterator[AttributionShardWriter]:
    """A writer to a new shard, which appears at `path` only when all went well."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        writer = AttributionShardWriter(file, size)
        yield writer
        tables = writer.tables or [pd.DataFrame(columns=columns)]
        write_table(file.create_group("frames"), pd.concat(tables, ignore_index=True))


class AttributionShard:
    """Reads an attribution shard; open it in a `with` block.

    Attributes: `maps` (an h5py dataset: index it for arrays) and `frames` (a DataFrame,
    one row a map).
    """

    def __init__(self, path: str | Path) -> None:
        self.file = h5py.File(path, "r")
        check_mark(self.file, FORMAT, VERSION, "delete it and run Snakemake again")
        self.maps: h5py.Dataset = self.file["maps"]
        self.frames = read_table(self.file["frames"])

    def __enter__(self) -> "AttributionShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
