"""The header of a detector's weights file. This module does not import torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.runtime.errors import StepError

FORMAT, VERSION = "deepfake-atlas detector", 1
METADATA_KEY = "deepfake-atlas"  # its value in the file's metadata is a JSON object
# What a detector cannot be built without. All else in the header is optional, so that
# files of earlier and later versions of the project can be used.
NEEDED_ENTRIES = ("timm", "input_size", "mean", "std")
REMEDY = "give a file weights.safetensors that this project wrote for a detector"


def read_header(path: Path) -> dict[str, Any]:
    """The header of a detector's weights file, including its provenance.

    Raises StepError if the file is not a detector of this project, or if it has a newer
    format than this version of the project can read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, SafetensorError) as error:
        raise StepError(
            f"{path}: is not a safetensors file ({error}); {REMEDY}"
        ) from error
    except ValueError as error:
        raise StepError(f"{path}: its header is damaged ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise StepError(f"{path}: is not a detector of this project; {REMEDY}")
    version = header.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise StepError(
            f"{path}: has the format version {version}, and this version of the "
            f"project reads versions up to {VERSION}: use a newer deepfake-atlas"
        )
    missing = [entry for entry in NEEDED_ENTRIES if entry not in header]
    if not isinstance(header.get("timm", ""), str):
        missing = ["timm"]
    if missing:
        raise StepError(f"{path}: its header lacks {', '.join(missing)}; {REMEDY}")
    return header


def complete_provenance(header: Mapping[str, Any]) -> dict[str, Any]:
    """What a detector was made from, with empty values for what its header lacks."""
    empty: dict[str, Any] = {
        "model": {},
        "seed": None,
        "datasets": [],
        "methods": [],
        "compressions": [],
        "videos": 0,
        "persons": 0,
        "crops": 0,
        "real_crops": 0,
        "face_detector": None,
        "pretrained": None,
        "versions": {},
    }
    return {**empty, **(header.get("provenance") or {})}
