"""Collect the reference faces of a protocol from face shards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.attributions.references import FORMAT, LOOK, VERSION, looks
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark
from pipeline.statistics.sampling import evenly_spaced
from pipeline.statistics.seeds import stable_share

VIDEOS, PER_VIDEO = 500, 4


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
    table = crop_table(shards, protocol)
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
