"""Attribution shards: the HDF5 files that hold a test shard's attribution maps.

Layout (version 3), N maps from one baseline:

    maps              (N, S, S) float16: signed, summed over the colours, in logits
    frames/<column>   (N,): see KEY_COLUMNS and RESULT_COLUMNS
    attributes        format, version, provenance (JSON), baseline
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table

FORMAT, VERSION = "deepfake-atlas attributions", 3

# Which frame a map is of, as in the face shard; `crop` is its row there.
KEY_COLUMNS = (
    "video dataset compression method label target unit second_unit original subject "
    "number has_mask crop"
).split()
# The results for the frame; those about the map are about the rounded map.
RESULT_COLUMNS = [
    "logit",  # F(x)
    "baseline_logit",  # F(b), the mean over the draws of noise
    "attribution_sum",
    "completeness_error",  # see `completeness_error`
    "converged",  # whether the error is within the tolerance
    "steps",  # how many gradients were computed
    "baseline_video",  # the video that the baseline shows; "" if it is not one video
]


class AttributionShardWriter:
    """Appends maps one batch at a time, so that memory does not grow with their
    number."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file = file
        self.tables: list[pd.DataFrame] = []
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
    path: Path, size: int, provenance: Mapping[str, Any], baseline: str
) -> Iterator[AttributionShardWriter]:
    """Yield a writer to a new shard, which appears at `path` only on success."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        file.attrs["baseline"] = baseline
        writer = AttributionShardWriter(file, size)
        yield writer
        empty = pd.DataFrame(columns=[*KEY_COLUMNS, *RESULT_COLUMNS])
        tables = writer.tables or [empty]
        write_table(file.create_group("frames"), pd.concat(tables, ignore_index=True))


class AttributionShard:
    """Reads an attribution shard. Open it in a `with` block.

    Attributes: `maps` (an h5py dataset: index it to get arrays) and `frames` (a
    DataFrame with one row for each map).
    """

    def __init__(self, path: str | Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.maps: h5py.Dataset = self.file["maps"]
        self.frames = read_table(self.file["frames"])

    def __enter__(self) -> "AttributionShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
