"""The mean face and the mean mask of a protocol's training videos.

Layout (version 2), of at most 500 real videos and 500 fakes, four crops of each:

    mean_face   (S, S, 3) float32 in 0..255: of the real faces
    mean_mask   (S, S) float32 in 0..1: how often each pixel is inside a fake's mask,
                among the crops whose mask is known
    attributes  format, version, provenance (JSON). Its entry `face_detector` is that of
                the face shards
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files.hdf5 import open_marked

FORMAT, VERSION = "deepfake-atlas references", 2


class References:
    """Reads references. Open it in a `with` block.

    Attributes: `mean_face` and `mean_mask`, arrays as in the layout; `face_detector`,
    the entry in the provenance.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        provenance = json.loads(self.file.attrs["provenance"])
        self.face_detector: dict[str, Any] = provenance["face_detector"]
        self.mean_face: np.ndarray = self.file["mean_face"][:]
        self.mean_mask: np.ndarray = self.file["mean_mask"][:]

    def __enter__(self) -> "References":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
