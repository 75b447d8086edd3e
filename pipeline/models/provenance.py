"""What a detector was made from, and how."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.models import ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.files.checksums import file_sha256
from pipeline.videos.table import REAL, persons

LIBRARIES = "torch torchvision timm lightning-fabric numpy".split()


def provenance_of(
    config: ModelConfig,
    protocol: ProtocolConfig,
    seed: int,
    table: pd.DataFrame,
    face_detector: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A detector's settings, training data and library versions, as JSON values.

    `table` has one row per training crop. `face_detector` is the entry of that name in
    the face shards. For a detector that is not trained here, the table is empty and the
    entry is None.
    """
    return {
        "model": config.model_dump(exclude={"weights"}),
        "protocol": protocol.model_dump(),
        "seed": seed,
        **training_data(table),
        "face_detector": face_detector,
        "pretrained": pretrained_file(config),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def training_data(table: pd.DataFrame) -> dict[str, Any]:
    """Names and counts of what is in a table of crops; it may be empty."""
    fakes = table[table["method"] != REAL]
    return {
        "datasets": sorted(set(table["dataset"])),
        "methods": sorted(set(fakes["method"])),
        "compressions": sorted(set(table["compression"])),
        "videos": int(table["video"].nunique()),
        "persons": persons(table).nunique(),
        "crops": len(table),
        "real_crops": len(table) - len(fakes),
    }


def pretrained_file(config: ModelConfig) -> dict[str, str] | None:
    """Name and SHA-256 of the weights file that training starts from; None without."""
    if not isinstance(config.pretrained, str):
        return None
    file = Path(config.pretrained)
    return {"file": file.name, "sha256": file_sha256(file)}
