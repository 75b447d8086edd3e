"""Collect the reference faces of a protocol from face shards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.attributions.references import FORMAT, LOOK_SIDE, VERSION, looks
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard, common_face_detector
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark
from pipeline.statistics.sampling import evenly_spaced
from pipeline.statistics.seeds import stable_share

MAX_VIDEOS, MAX_CROPS_PER_VIDEO = 500, 4


def choose_crops(table: pd.DataFrame) -> pd.DataFrame:
    """Choose at most MAX_CROPS_PER_VIDEO crops, evenly spaced, of MAX_VIDEOS videos.

    `table` is a crop table. The choice does not depend on how videos are sharded.
    """
    videos = sorted(table["video"].unique(), key=lambda v: (stable_share(v), v))
    wanted = table[table["video"].isin(videos[:MAX_VIDEOS])]
    return wanted[
        wanted.groupby("video")["row"].transform(
            lambda rows: (
                rows.rank().sub(1).isin(evenly_spaced(len(rows), MAX_CROPS_PER_VIDEO))
            )
        )
    ]


def write_references(
    path: Path,
    shards: Sequence[Path],
    protocol: ProtocolConfig,
    *,
    provenance: Mapping[str, Any],
) -> None:
    """Collect the references of a protocol from the face shards of the training split.

    The layout of the file is in `pipeline.attributions.references`. Raises StepError
    if the shards were made with different face detectors.
    """
    provenance = {**provenance, "face_detector": common_face_detector(shards)}
    table = crop_table(shards, protocol)
    real, fakes = (choose_crops(table[table["label"] == label]) for label in (0, 1))
    with FaceShard(shards[0]) as shard:
        size = shard.crops.shape[1]
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        crops = file.create_dataset(
            "crops", (len(real), size, size, 3), np.uint8, chunks=(1, size, size, 3)
        )
        crop_looks = np.zeros((len(real), LOOK_SIDE * LOOK_SIDE * 3), np.float32)
        face_sum, mask_sum = np.zeros((size, size, 3)), np.zeros((size, size))
        place = 0
        for number, shard_path in enumerate(shards):
            with FaceShard(shard_path) as shard:
                for row in real.loc[real["shard"] == number, "row"]:
                    crops[place] = shard.crops[row]
                    crop_looks[place] = looks(crops[place][None])[0]
                    face_sum += crops[place]
                    place += 1
                for row in fakes.loc[fakes["shard"] == number, "row"]:
                    mask_sum += shard.masks[row]
        file["looks"] = crop_looks
        file["mean_face"] = (face_sum / max(len(real), 1)).astype(np.float32)
        file["mean_mask"] = (mask_sum / max(len(fakes), 1)).astype(np.float32)
