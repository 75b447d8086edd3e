"""Crops of fakes before they were forged: the same frames and boxes of their originals.

Layout (version 1), for the N crops of a face shard:

    crops           (N, S, S, 3) uint8; black if there is no original
    frames/psnr     (N,) float32 dB outside the mask, or at the border of the crop if no
                    mask is known; NaN if there is no original
    frames/aligned  (N,) bool: whether the crop shows the same moment
    attributes      format, version, provenance (JSON)
"""

from pathlib import Path

import numpy as np

from pipeline.files.hdf5 import open_marked

FORMAT, VERSION = "deepfake-atlas originals", 1


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

    def crops_of(self, rows: np.ndarray) -> np.ndarray:
        """The aligned crops, (n, S, S, 3) uint8; black where none is aligned.

        `rows` (n,) are rows of the shard, in increasing order.
        """
        crops = self.file["crops"][rows]
        crops[~self.aligned[rows]] = 0
        return crops
