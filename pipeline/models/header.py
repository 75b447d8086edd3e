"""The header of a file of detector weights; reading it needs no torch."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.runtime.errors import StepError

FORMAT, VERSION = "deepfake-atlas detector", 1
HEADER = "deepfake-atlas"  # the key of the file's metadata that holds a JSON object


def read_header(path: Path) -> dict[str, Any]:
    """What a detector's file says of itself, with its provenance."""
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (OSError, SafetensorError) as error:
        raise StepError(f"{path}: is no safetensors file ({error})") from error
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise StepError(f"{path}: was not written by this version of train_model")
    return header
