"""The arrays that an atlas is drawn from: those of its cells, and a sample of its maps.

A cell is the frames of one method with one outcome in one test set. Layout of
`arrays.h5` (version 5), on a canonical grid of G x G px:

    cells/<number>          attributes: dataset, compression, method, label, outcome
                            (right, wrong or all), frames, videos, units, lost
                            (mean logits off the grid), map_error and sampling_error
                            (see `MeanMapErrors`)
      mean, median, std               (G, G) float32: of the signed maps, in logits
      mean_abs, median_abs, std_abs   (G, G) float32: of their absolute values
      face, mask                      (G, G, 3) uint8 and (G, G) float32: means
      pooled                          (P, P) float32: the mean map in coarser squares
      replicates                      (B, P, P) float32: `pooled` of each resample,
                                      linearised (`Replicates.linearised_means`)
      shape                           (P, P) float32: the mean over frames of maps in
                                      squares, each divided by its L1 norm
      shape_replicates                (B, P, P) float32: the same of `shape`; without
                                      rows if the outcome is "all"
    attributes              format, version, provenance (JSON)

`sample.h5`: maps (n, P, P) float32, summed over squares, their rows, and the attribute
`has_landmarks`: whether the maps are aligned by landmarks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table

FORMAT, SAMPLE_FORMAT, VERSION = "deepfake-atlas arrays", "deepfake-atlas sample", 5
CELL_KEYS = ["dataset", "compression", "method", "label", "outcome"]
OUTCOMES = ("right", "wrong")

# Data set, compression, method, label and outcome; the outcome may be "all".
CellKey = tuple[str, str, str, int, str]
# Data set, compression and method: a row of a figure.
Slice = tuple[str, str, str]


@dataclass(frozen=True)
class CellArrays:
    """A cell as it is stored. The layout above describes the attributes."""

    dataset: str
    compression: str
    method: str
    label: int
    outcome: str
    frames: int
    videos: int
    units: int
    lost: float
    map_error: float
    sampling_error: float
    mean: np.ndarray
    median: np.ndarray
    std: np.ndarray
    mean_abs: np.ndarray
    median_abs: np.ndarray
    std_abs: np.ndarray
    face: np.ndarray
    mask: np.ndarray
    pooled: np.ndarray
    replicates: np.ndarray
    shape: np.ndarray
    shape_replicates: np.ndarray

    @property
    def slice(self) -> Slice:
        """Its test set and method."""
        return self.dataset, self.compression, self.method


def write_cells(
    path: Path, cells: list[CellArrays], provenance: Mapping[str, Any]
) -> None:
    """Write cells to `arrays.h5`, in their order."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        for number, cell in enumerate(cells):
            group = file.create_group(f"cells/{number:04d}")
            for field in fields(cell):
                value = getattr(cell, field.name)
                if isinstance(value, np.ndarray):
                    group.create_dataset(field.name, data=value, compression="gzip")
                else:
                    group.attrs[field.name] = value


def read_cells(path: Path) -> list[CellArrays]:
    """Read the cells of `arrays.h5`, in the order of the file."""
    with open_marked(path, FORMAT, VERSION) as file:
        groups = file.get("cells", {})
        return [_read_cell(groups[name]) for name in sorted(groups)]


def _read_cell(group: h5py.Group) -> CellArrays:
    plain = {name: np.asarray(value).item() for name, value in group.attrs.items()}
    return CellArrays(**plain, **{name: data[:] for name, data in group.items()})


def write_sample(
    path: Path, maps: np.ndarray, rows: pd.DataFrame, *, has_landmarks: bool
) -> None:
    """Write a sample of maps (n, P, P) and their rows of the table of frames."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, SAMPLE_FORMAT, VERSION, {})
        file.attrs["has_landmarks"] = has_landmarks
        file["maps"] = maps.astype(np.float32)
        write_table(file.create_group("frames"), rows)


def read_sample(path: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Read the maps and rows that `write_sample` wrote."""
    with open_marked(path, SAMPLE_FORMAT, VERSION) as file:
        return file["maps"][:], read_table(file["frames"])


def sample_has_landmarks(path: Path) -> bool:
    """Whether the maps of a sample are aligned by landmarks."""
    with open_marked(path, SAMPLE_FORMAT, VERSION) as file:
        return bool(file.attrs["has_landmarks"])
