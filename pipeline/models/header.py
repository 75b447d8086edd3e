"""The header of a detector's weights file. This module does not import torch."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.runtime.errors import StepError

FORMAT, VERSION = "deepfake-atlas detector", 1
METADATA_KEY = "deepfake-atlas"  # its value in the file's metadata is a JSON object


def read_header(path: Path) -> dict[str, Any]:
    """The header of a detector's weights file, including its provenance.

    Raises StepError if the file is not one that this version of the project wrote.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except (OSError, SafetensorError) as error:
        raise StepError(f"{path}: is not a safetensors file ({error})") from error
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise StepError(f"{path}: was not written by this version of train_model")
    return header
