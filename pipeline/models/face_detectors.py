"""Refuse crops of another face detector than a model was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.faces.shards import described
from pipeline.models.header import complete_provenance, read_header
from pipeline.runtime.errors import StepError


def check_face_detector(
    weights: Path, faces: Path, face_detector: Mapping[str, Any]
) -> None:
    """Raise StepError if a model was trained on crops of another face detector.

    `weights` is the file of the model. `face_detector` is the entry of that name in the
    file `faces`, which has the crops. A model that was not trained by this project, or
    by an earlier version, has no entry. Then it is not known which crops it expects,
    and any are accepted.
    """
    trained = complete_provenance(read_header(weights))["face_detector"]
    if not trained or trained == face_detector:
        return
    raise StepError(
        f"{faces}: its crops were made with {described(face_detector)}, but the model "
        f"{weights} was trained on crops of {described(trained)}. "
        + _remedy(trained, face_detector)
    )


def _remedy(trained: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if trained["name"] == found["name"]:
        return "Their calibrations differ: train the model again."
    return f"Set faces.detector to {trained['name']}, or train the model again."
