"""Reference faces of a protocol: real training faces, their mean, and the mean mask.

Layout (version 1), K crops of at most 500 real videos:

    crops       (K, S, S, 3) uint8, at most four of a video
    looks       (K, 768) float32: the crops at 16 x 16 px, to find the nearest crop
    mean_face   (S, S, 3) float32 in 0..255
    mean_mask   (S, S) float32 in 0..1: how often each pixel is inside a fake's mask,
                up to one factor for all pixels (fakes without a mask count as empty)
    attributes  format, version, provenance (JSON). Its entry `face_detector` is that of
                the face shards
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.files.hdf5 import open_marked

FORMAT, VERSION = "deepfake-atlas references", 1
LOOK_SIDE = 16  # px


def looks(crops: np.ndarray) -> np.ndarray:
    """Crops (N, S, S, 3) at 16 x 16 px, to compare them: (N, 768) float32 in 0..255."""
    side = (LOOK_SIDE, LOOK_SIDE)
    small = [cv2.resize(crop, side, interpolation=cv2.INTER_AREA) for crop in crops]
    return np.array(small, np.float32).reshape(len(crops), LOOK_SIDE * LOOK_SIDE * 3)


class References:
    """Reads reference faces. Open it in a `with` block.

    Attributes: `mean_face` and `mean_mask`, arrays as in the layout; `face_detector`,
    the entry in the provenance.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        provenance = json.loads(self.file.attrs["provenance"])
        self.face_detector: dict[str, Any] = provenance["face_detector"]
        self.mean_face: np.ndarray = self.file["mean_face"][:]
        self.mean_mask: np.ndarray = self.file["mean_mask"][:]
        self._looks = self.file["looks"][:]

    def __enter__(self) -> "References":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def nearest(self, crops: np.ndarray) -> np.ndarray:
        """The real training face that looks most like each of the crops (N, S, S, 3).

        Returns (N, S, S, 3) uint8.
        """
        wanted = looks(crops)
        found = [np.square(self._looks - look).sum(1).argmin() for look in wanted]
        return np.stack([self.file["crops"][index] for index in found])
