"""Reference faces of a protocol: real training faces, their mean, and the mean mask.

Layout (version 1), K crops of at most 500 real videos:

    crops       (K, S, S, 3) uint8, up to four of a video
    looks       (K, 768) float32: the crops as 16 x 16 pixels, to find the nearest by
    mean_face   (S, S, 3) float32 in 0..255
    mean_mask   (S, S) float32 in 0..1: how often, but for a
                factor, a forged face is forged there (fakes without a mask count)
    attributes  format, version, provenance (JSON)
"""

from pathlib import Path

import cv2
import numpy as np

from pipeline.files.hdf5 import open_marked

FORMAT, VERSION = "deepfake-atlas references", 1
LOOK = 16  # px


def looks(crops: np.ndarray) -> np.ndarray:
    """What crops (N, S, S, 3) look like from afar: (N, 768) float32 in 0..255."""
    small = [cv2.resize(c, (LOOK, LOOK), interpolation=cv2.INTER_AREA) for c in crops]
    return np.array(small, np.float32).reshape(len(crops), LOOK * LOOK * 3)


class References:
    """Reads reference faces; open it in a `with` block.

    Attributes: `mean_face` and `mean_mask`, arrays as in the layout.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        self.mean_face: np.ndarray = self.file["mean_face"][:]
        self.mean_mask: np.ndarray = self.file["mean_mask"][:]
        self._looks = self.file["looks"][:]

    def __enter__(self) -> "References":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def nearest(self, crops: np.ndarray) -> np.ndarray:
        """The real training face that looks most like each crop, (N, S, S, 3) uint8."""
        wanted = looks(crops)
        found = [np.square(self._looks - look).sum(1).argmin() for look in wanted]
        return np.stack([self.file["crops"][index] for index in found])
