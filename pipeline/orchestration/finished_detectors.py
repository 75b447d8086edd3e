"""Check the finished detectors of a configuration before any job starts."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config.check import ConfigError, timm_has
from pipeline.config.faults import source_file
from pipeline.config.run import RunConfig
from pipeline.faces.detection.calibration import face_detector_entry
from pipeline.models.header import complete_provenance, read_header
from pipeline.runtime.errors import StepError


def check_finished(config: RunConfig, files: Sequence[str | Path]) -> None:
    """Check that each `models.<name>.weights` is a detector of this project.

    `files` are the configuration files, for the messages. Raises ConfigError with one
    line for each fault: file, key, value, remedy.
    """
    lines = []
    for name, model in config.models.items():
        if model.weights is None:
            continue
        path = ("models", name, "weights")
        problem = _problem(model.weights, config.faces.detector)
        if problem:
            place = source_file(path, model.weights, files)
            lines.append(f"{place}: {'.'.join(path)} = {model.weights!r}: {problem}")
    if lines:
        raise ConfigError("\n".join(lines))


def _problem(weights: str, face_detector: str) -> str:
    """Why a file cannot be used as a finished detector; "" if it can.

    `face_detector` is the name of the one that makes the crops of the run.
    """
    if not Path(weights).is_file():
        return "no such file; give the path of a detector's weights.safetensors"
    try:
        header = read_header(Path(weights))
    except StepError as error:
        hint = "weights of another project are given as `pretrained`, with `timm`"
        return f"{error} ({hint})"
    if not timm_has(header["timm"]):
        network = header["timm"]
        return f"its network is {network!r}, which the installed timm does not have"
    trained = complete_provenance(header)["face_detector"]
    if trained and trained != face_detector_entry(face_detector):
        if trained["name"] != face_detector:
            return (
                f"it was trained on crops of {trained['name']}; set faces.detector: "
                f"{trained['name']}"
            )
        return (
            f"it was trained on crops of another calibration of {face_detector}; train "
            "it again"
        )
    return ""
