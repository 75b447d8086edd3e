"""Reference faces of a protocol: real training faces, their mean, and the mean mask.

Layout (version 1), K crops of at most 500 real videos:

    crops       (K, S, S, 3) uint8, up to four of a video
    looks       (K, 768) float32: the crops as 16 x 16 pixels, to find the nearest by
    mean_face   (S, S, 3) float32 in 0..255
    mean_mask   (S, S) float32 in 0..1: how often, but for a
                factor, a forged face is forged there (fakes without a mask count)
    attributes  format, version, provenance (JSON)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from pipeline.atomic import replacing
from pipeline.config.protocols import ProtocolConfig
from pipeline.crops import FaceCrops
from pipeline.face_shards import FaceShard
from pipeline.hdf5_files import mark, open_marked
from pipeline.sampling import evenly_spaced
from pipeline.video_table import stable_share

FORMAT, VERSION = "deepfake-atlas references", 1
VIDEOS, PER_VIDEO = 500, 4
LOOK = 16  # px


def looks(crops: np.ndarray) -> np.ndarray:
    """What crops (N, S, S, 3) look like from afar: (N, 768) float32 in 0..255."""
    small = [cv2.resize(c, (LOOK, LOOK), interpolation=cv2.INTER_AREA) for c in crops]
    return np.array(small, np.float32).reshape(len(crops), LOOK * LOOK * 3)


def chosen_crops(table: pd.DataFrame) -> pd.DataFrame:
    """Up to PER_VIDEO even crops of VIDEOS videos, whichever shards these are in."""
    videos = sorted(table["video"].unique(), key=lambda v: (stable_share(v), v))
    wanted = table[table["video"].isin(videos[:VIDEOS])]
    return wanted[
        wanted.groupby("video")["row"].transform(
            lambda rows: rows.rank().sub(1).isin(evenly_spaced(len(rows), PER_VIDEO))
        )
    ]


def write_references(
    path: Path,
    shards: Sequence[Path],
    protocol: ProtocolConfig,
    provenance: Mapping[str, Any],
) -> None:
    """Collect the references of a protocol from the face shards of train."""
    table = FaceCrops(shards, protocol).table
    real, fakes = (chosen_crops(table[table["label"] == label]) for label in (0, 1))
    with FaceShard(shards[0]) as shard:
        size = shard.crops.shape[1]
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        crops = file.create_dataset(
            "crops", (len(real), size, size, 3), np.uint8, chunks=(1, size, size, 3)
        )
        seen = np.zeros((len(real), LOOK * LOOK * 3), np.float32)
        face, mask = np.zeros((size, size, 3)), np.zeros((size, size))
        place = 0
        for number, path_of in enumerate(shards):
            with FaceShard(path_of) as shard:
                for row in real.loc[real["shard"] == number, "row"]:
                    crops[place] = shard.crops[row]
                    seen[place] = looks(crops[place][None])[0]
                    face += crops[place]
                    place += 1
                for row in fakes.loc[fakes["shard"] == number, "row"]:
                    mask += shard.masks[row]
        file["looks"] = seen
        file["mean_face"] = (face / max(len(real), 1)).astype(np.float32)
        file["mean_mask"] = (mask / max(len(fakes), 1)).astype(np.float32)


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
