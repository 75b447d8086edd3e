"""What a detector was made from, and how."""

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
    config: ModelConfig, protocol: ProtocolConfig, seed: int, table: pd.DataFrame
) -> dict[str, Any]:
    """What a detector is made from, and how; `table` is of the crops it learns from."""
    return {
        "model": config.model_dump(),
        "protocol": protocol.model_dump(),
        "seed": seed,
        **described(table),
        "pretrained": given_weights(config),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def described(table: pd.DataFrame) -> dict[str, Any]:
    """What a detector was trained on, in names and counts; none if it is not known."""
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


def given_weights(config: ModelConfig) -> dict[str, str] | None:
    """The file that training started from, and its checksum."""
    if not isinstance(config.pretrained, str):
        return None
    file = Path(config.pretrained)
    return {"file": file.name, "sha256": file_sha256(file)}
