"""Compute the references of a protocol from face shards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.attributions.references import FORMAT, VERSION
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard, common_face_detector
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark
from pipeline.statistics.sampling import sample_of_videos


def write_references(
    path: Path,
    shards: Sequence[Path],
    protocol: ProtocolConfig,
    *,
    provenance: Mapping[str, Any],
) -> None:
    """Compute the references of a protocol from the face shards of the training split.

    The layout of the file is in `pipeline.attributions.references`. Raises StepError
    if the shards were made with different face detectors.
    """
    provenance = {**provenance, "face_detector": common_face_detector(shards)}
    table = crop_table(shards, protocol)
    real = sample_of_videos(table[table["label"] == 0])
    fakes = sample_of_videos(table[(table["label"] == 1) & table["has_mask"]])
    with FaceShard(shards[0]) as shard:
        size = shard.crops.shape[1]
    face_sum, mask_sum = np.zeros((size, size, 3)), np.zeros((size, size))
    for number, shard_path in enumerate(shards):
        with FaceShard(shard_path) as shard:
            for row in real.loc[real["shard"] == number, "row"]:
                face_sum += shard.crops[row]
            for row in fakes.loc[fakes["shard"] == number, "row"]:
                mask_sum += shard.masks[row]
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        file["mean_face"] = (face_sum / max(len(real), 1)).astype(np.float32)
        file["mean_mask"] = (mask_sum / max(len(fakes), 1)).astype(np.float32)
