"""Attribution shards: the HDF5 files that hold a test shard's attribution maps.

Layout (version 5), N maps from one baseline:

    maps              (N, S, S) float16: signed, summed over the colours, in logits
    nested_differences  (N, S, S) float16: the map minus that of every second node of
                      its path, in logits. NaN if the engine does not know it
    changes           (N, S, S) float16 in 0..3: |x - baseline|, summed over the colours
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

FORMAT, VERSION = "deepfake-atlas attributions", 5

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
    "interval_error",  # see `ImagePaths.interval_error`
    "map_error",  # of the map on squares, a share of its L1 norm: see `MapErrors`
    "pixel_error",  # the same of its single pixels
    "draw_error",  # of the map by the draws of its baselines; NaN without draws
    "converged",  # whether completeness_error and map_error are within the tolerances
    "steps",  # how many gradients were computed
    "baseline_video",  # the video that the baseline shows; "" if it is not one video
]


class AttributionShardWriter:
    """Appends maps one batch at a time, so that memory does not grow with their
    number."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file = file
        self.tables: list[pd.DataFrame] = []
        self.maps = _create_maps(file, "maps", size)
        self.nested_differences = _create_maps(file, "nested_differences", size)
        self.changes = _create_maps(file, "changes", size)

    def add(
        self,
        maps: np.ndarray,
        nested_differences: np.ndarray,
        changes: np.ndarray,
        frames: pd.DataFrame,
    ) -> None:
        """Append maps, their nested differences and the changes, (B, S, S) each, and
        their rows of the table, in the same order."""
        _append(self.maps, maps)
        _append(self.nested_differences, nested_differences)
        _append(self.changes, changes)
        self.tables.append(frames)


def _create_maps(file: h5py.File, name: str, side: int) -> h5py.Dataset:
    return file.create_dataset(
        name,
        (0, side, side),
        np.float16,
        maxshape=(None, side, side),
        chunks=(1, side, side),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )


def _append(stored: h5py.Dataset, maps: np.ndarray) -> None:
    start = len(stored)
    stored.resize(start + len(maps), axis=0)
    stored[start:] = maps


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

    Attributes: `maps`, `nested_differences` and `changes` (h5py datasets: index them to
    get arrays) and `frames` (a DataFrame with one row for each map).
    """

    def __init__(self, path: str | Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.maps: h5py.Dataset = self.file["maps"]
        self.nested_differences: h5py.Dataset = self.file["nested_differences"]
        self.changes: h5py.Dataset = self.file["changes"]
        self.frames = read_table(self.file["frames"])

    def __enter__(self) -> "AttributionShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
