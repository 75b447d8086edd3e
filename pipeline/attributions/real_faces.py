"""Real validation faces, among which `nearest_real` finds the face most like a crop.

No detector that the run trains sees them in training. A detector's logits of its own
training faces are lower than those of other real faces, so that a path from a training
face would show evidence of a forgery in real faces, too.

Layout (version 1), K crops of at most 500 videos of each test set:

    crops             (K, S, S, 3) uint8, at most four of a video
    looks             (K, 768) float32: the crops at 16 x 16 px, to compare them
    frames/<column>   (K,): video, dataset, compression
    attributes        format, version, provenance (JSON). Its entry `face_detector` is
                      that of the face shards
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard, common_face_detector
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table
from pipeline.runtime.errors import StepError
from pipeline.statistics.sampling import sample_of_videos

FORMAT, VERSION = "deepfake-atlas real faces", 1
LOOK_SIDE = 16  # px
SET_KEYS = ["dataset", "compression"]


def looks(crops: np.ndarray) -> np.ndarray:
    """Crops (N, S, S, 3) at 16 x 16 px, to compare them: (N, 768) float32 in 0..255."""
    side = (LOOK_SIDE, LOOK_SIDE)
    small = [cv2.resize(crop, side, interpolation=cv2.INTER_AREA) for crop in crops]
    return np.array(small, np.float32).reshape(len(crops), LOOK_SIDE * LOOK_SIDE * 3)


def write_real_faces(path: Path, shards: Sequence[Path]) -> None:
    """Collect real faces from the face shards of the validation split.

    Raises StepError if the shards were made with different face detectors, or have no
    real face.
    """
    table = crop_table(shards)
    real = table[table["label"] == 0]
    if real.empty:
        raise StepError(
            f"{path}: no face was found in the real validation videos. The contact "
            "sheets (faces/*.png) show why. Add videos, or remove nearest_real from "
            "attribution.baselines."
        )
    parts = [sample_of_videos(part) for _, part in real.groupby(SET_KEYS)]
    rows = pd.concat(parts).sort_values(["shard", "row"])
    with FaceShard(shards[0]) as shard:
        size = shard.crops.shape[1]
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, {"face_detector": common_face_detector(shards)})
        crops = file.create_dataset(
            "crops", (len(rows), size, size, 3), np.uint8, chunks=(1, size, size, 3)
        )
        found = np.zeros((len(rows), LOOK_SIDE * LOOK_SIDE * 3), np.float32)
        place = 0
        for number, chosen in rows.groupby("shard"):
            with FaceShard(shards[int(number)]) as shard:
                for row in chosen["row"]:
                    crops[place] = shard.crops[row]
                    found[place] = looks(crops[place][None])[0]
                    place += 1
        file["looks"] = found
        frames = rows[["video", *SET_KEYS]].reset_index(drop=True)
        write_table(file.create_group("frames"), frames)


class RealFaces:
    """Reads real faces. Open it in a `with` block.

    Attributes: `frames`, the table as in the layout; `face_detector`, the entry in the
    provenance.
    """

    def __init__(self, path: Path) -> None:
        self.file = open_marked(path, FORMAT, VERSION)
        provenance = json.loads(self.file.attrs["provenance"])
        self.face_detector: dict[str, Any] = provenance["face_detector"]
        self.frames = read_table(self.file["frames"])
        self._looks = self.file["looks"][:]

    def __enter__(self) -> "RealFaces":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def nearest(self, crops: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        """The row (N,) of the real face that looks most like each crop (N, S, S, 3).

        `rows` (N) has the columns dataset and compression. Faces of the same data set
        and compression are candidates. Without such faces, those of the same data set
        are; then those of the same compression; then all.
        """
        found, wanted = np.zeros(len(rows), int), looks(crops)
        for names, members in rows.groupby(SET_KEYS).indices.items():
            places = self._candidates(*names)
            candidates = self._looks[places]
            for number in members:
                distances = np.square(candidates - wanted[number]).sum(1)
                found[number] = places[distances.argmin()]
        return found

    def _candidates(self, dataset: str, compression: str) -> np.ndarray:
        same_dataset = self.frames["dataset"] == dataset
        same_compression = self.frames["compression"] == compression
        for chosen in (same_dataset & same_compression, same_dataset, same_compression):
            if chosen.any():
                return np.flatnonzero(chosen)
        return np.arange(len(self.frames))

    def crops_of(self, rows: np.ndarray) -> np.ndarray:
        """The faces at `rows` (N,), in this order: (N, S, S, 3) uint8."""
        return np.stack([self.file["crops"][row] for row in rows])
