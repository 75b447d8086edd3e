"""Fakes before they were forged: the same frames of their originals, cut out alike.

Layout (version 1), for the N crops of a face shard:

    crops           (N, S, S, 3) uint8; black where there is none
    frames/psnr     (N,) float32 dB outside the mask, or at the border of the crop where
                    no mask is known; NaN where there is no original
    frames/aligned  (N,) bool: whether the crop shows the same moment
    attributes      format, version, provenance (JSON)
"""

from pathlib import Path

import numpy as np

from pipeline.files.hdf5 import open_marked

FORMAT, VERSION = "deepfake-atlas originals", 1


class Originals:
    """Reads the originals of a face shard; open it in a `with` block.

    Attribute: `aligned`, (N,) bool, whether each crop shows the same moment.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.aligned: np.ndarray = self.file["frames/aligned"][:]

    def __enter__(self) -> "Originals":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def crops_of(self, rows: np.ndarray) -> np.ndarray:
        """The aligned crops of rows (n,), increasing, of the shard: (n, S, S, 3) uint8;
        black where there is none."""
        crops = self.file["crops"][rows]
        crops[~self.aligned[rows]] = 0
        return crops
