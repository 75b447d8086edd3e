"""Crops of fakes before they were forged: the same frames and boxes of their originals.

Layout (version 2), for the N crops of a face shard and its V fakes that have crops:

    crops           (N, S, S, 3) uint8; black if there is no original
    changed         (N, S, S) uint8: 1 where the fake differs from its aligned original
    frames/psnr     (N,) float32 dB outside the mask, or at the border of the crop if no
                    mask is known; NaN if there is no original
    frames/aligned  (N,) bool: whether the crop shows the same moment
    videos/<column> (V,): see VIDEO_COLUMNS
    attributes      format, version, provenance (JSON)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.files.hdf5 import open_marked, read_table
from pipeline.files.tables import stacked

FORMAT, VERSION = "deepfake-atlas originals", 2
# Frames of the original that are compared with a frame of the fake, in frames later.
OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
VIDEO_COLUMNS = [
    *("video", "dataset", "compression", "method"),
    "frames",  # the fake's crops
    "cut",  # those that could be cut from the original
    "aligned",  # those that are aligned
    "best_offset",  # at which the original is most like the fake; NaN if unknown
    "psnr",  # the median over the crops that could be cut, dB
    "reason",  # why some could not be cut; "" if all could
]


class Originals:
    """Reads the originals of a face shard. Open it in a `with` block.

    Attribute: `aligned`, (N,) bool, whether each crop shows the same moment.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.aligned: np.ndarray = self.file["frames/aligned"][:]

    def __enter__(self) -> "Originals":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def videos(self) -> pd.DataFrame:
        """One row for each fake, with VIDEO_COLUMNS."""
        return read_table(self.file["videos"])

    def crops_of(self, rows: np.ndarray) -> np.ndarray:
        """The originals (n, S, S, 3) uint8 of the crops `rows` (n,), all aligned.

        `rows` are rows of the shard, in increasing order.
        """
        return self.file["crops"][rows]

    def changed_of(self, rows: np.ndarray) -> np.ndarray:
        """The changed pixels (n, S, S) uint8 of the crops `rows` (n,)."""
        return self.file["changed"][rows]


def summary_table(paths: Sequence[Path]) -> pd.DataFrame:
    """How many fakes have an aligned original: a row for each method of a test set.

    `paths` are the originals of the test shards. The columns are dataset, compression,
    method; videos and frames; cut and aligned, numbers of frames; aligned_share, of the
    frames; psnr, the median over videos in dB; and a column for each of OFFSETS, such
    as `offset_-1`, with the number of videos whose original fits best there.
    """
    tables = []
    for path in paths:
        with Originals(path) as originals:
            tables.append(originals.videos)
    videos = stacked(tables)
    for offset in OFFSETS:
        videos[f"offset_{offset:d}"] = (videos["best_offset"] == offset).astype(int)
    keys = ["dataset", "compression", "method"]
    offsets = {f"offset_{n:d}": (f"offset_{n:d}", "sum") for n in OFFSETS}
    table = videos.groupby(keys, as_index=False).agg(
        videos=("video", "size"),
        frames=("frames", "sum"),
        cut=("cut", "sum"),
        aligned=("aligned", "sum"),
        psnr=("psnr", "median"),
        **offsets,
    )
    share = table["aligned"] / table["frames"].where(table["frames"] > 0)
    table.insert(table.columns.get_loc("psnr"), "aligned_share", share)
    return table
