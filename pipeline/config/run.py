"""The whole configuration: checked before any job starts, with readable errors."""

import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import Field, ValidationError

from pipeline.config.atlases import AtlasesConfig
from pipeline.config.attribution import AttributionConfig
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.faces import FacesConfig
from pipeline.config.models import AugmentConfig, ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.config.section import Folder, Name, Section
from pipeline.config.videos import VideosConfig

# What pydantic puts into an error's path for the members of a union.
UNION_TAGS = ("bool", "str", "AugmentConfig")


# For the demo, whose few minutes of training do not suffice to see through JPEG.
BRIEF = AugmentConfig(jpeg=0.0, rescale=0.0, blur=0.0, noise=0.0)


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says what to change."""


class RunConfig(Section):
    """Everything that a run depends on."""

    results: Folder = "results"
    """Folder that everything is written to."""
    seed: int = Field(0, ge=0, lt=2**31)
    """The one seed of all randomness in training and evaluation."""
    videos: VideosConfig = VideosConfig()
    """Which videos, from where."""
    faces: FacesConfig = FacesConfig()
    """Which frames are decoded, how faces are found and cropped."""
    models: dict[Name, ModelConfig] = Field(
        {
            "xception": ModelConfig(timm="legacy_xception", augment=BRIEF),
            "densenet": ModelConfig(timm="densenet121", augment=BRIEF),
        },
        min_length=1,
    )
    """The detectors, by a name of your choice. Naming any replaces the default two."""
    protocols: dict[Name, ProtocolConfig] = Field(
        {"all": ProtocolConfig()}, min_length=1
    )
    """What detectors are trained on, by a name of your choice: each model is trained
    once in each. Naming any replaces the default one, which uses everything."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How metrics get their intervals; decisions are made at validation's threshold."""
    attribution: AttributionConfig = AttributionConfig()
    """How the fake logit is attributed to pixels."""
    atlases: AtlasesConfig = AtlasesConfig()
    """How attributions are shown; nothing here runs a model again."""


# Keys that hold a section under each name that the user chooses.
ENTRIES: dict[str, type[Section]] = {
    "models": ModelConfig,
    "protocols": ProtocolConfig,
}


def check_config(raw: Mapping[str, Any], files: Sequence[str | Path]) -> RunConfig:
    """Check a configuration as read from `files` and completed by the command line.

    Raises ConfigError with one line a fault: file, key, value, what is allowed.
    """
    try:
        config = RunConfig.model_validate(dict(raw))
    except ValidationError as error:
        lines = [_describe(fault, raw, files) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    lines = [
        f"{_source(path, value, files)}: {'.'.join(path)} = {value!r}: {problem}"
        for path, value, problem in _impossible(config)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    return config


def _impossible(config: RunConfig) -> list[tuple[tuple[str, ...], Any, str]]:
    """Faults that only show outside the configuration: (path, value, what is wrong)."""
    faults: list[tuple[tuple[str, ...], Any, str]] = []
    for name, model in config.models.items():
        if not _timm_has(model.timm):
            near = difflib.get_close_matches(model.timm, timm_models(), 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            problem = f"timm has no model of this name{hint}"
            faults.append((("models", name, "timm"), model.timm, problem))
        if isinstance(model.pretrained, str) and not Path(model.pretrained).is_file():
            problem = "no such file; give true, false or the path of a file of weights"
            faults.append((("models", name, "pretrained"), model.pretrained, problem))
    faults += _impossible_protocols(config)
    weights = config.faces.retinaface_weights
    if config.faces.detector == "retinaface" and not Path(str(weights)).is_file():
        path = ("faces", "retinaface_weights")
        faults.append((path, weights, "no such file; give the path of retinaface.pth"))
    if config.faces.decoder == "torchcodec" and not _installed("torchcodec"):
        problem = "is not installed; pip install torchcodec, or give auto"
        faults.append((("faces", "decoder"), "torchcodec", problem))
    videos = config.videos
    if videos.source == "miniature":
        absent = set(videos.compressions) - set(videos.miniature.compressions)
        if absent:
            problem = f"the miniature corpus is not written in {', '.join(absent)}"
            path = ("videos", "compressions")
            faults.append((path, videos.compressions, problem))
        return faults
    if not Path(videos.root).is_dir():
        problem = "no such folder; give the one that holds original_sequences"
        faults.append((("videos", "root"), videos.root, problem))
    if videos.splits is None:
        problem = (
            "source faceforensics needs the folder with the authors' train.json, "
            "val.json and test.json (dataset/splits in their repository)"
        )
        faults.append((("videos", "splits"), None, problem))
    return faults


# Where what a protocol may choose from is said.
USED = {
    "methods": "videos.methods",
    "leave_out": "videos.methods",
    "compressions": "videos.compressions",
    "datasets": "videos.source",
}


def _impossible_protocols(
    config: RunConfig,
) -> list[tuple[tuple[str, ...], Any, str]]:
    """Protocols that name what is not used, or that leave nothing to train on."""
    faults: list[tuple[tuple[str, ...], Any, str]] = []
    for name, protocol in config.protocols.items():
        for key, known in (
            ("methods", config.videos.methods),
            ("leave_out", config.videos.methods),
            ("compressions", config.videos.compressions),
            ("datasets", [config.videos.source]),
        ):
            value = getattr(protocol, key)
            unknown = sorted(set(value or ()) - set(known))
            if unknown:
                used = USED[key]
                problem = f"{', '.join(unknown)} not in {used} ({', '.join(known)})"
                faults.append((("protocols", name, key), value, problem))
        if not protocol.trained_methods(config.videos.methods):
            problem = "leaves no method to train on"
            path = ("protocols", name, "leave_out")
            faults.append((path, protocol.leave_out, problem))
    return faults


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@cache
def timm_models() -> frozenset[str]:
    """Names of timm's models, read from its source: importing it takes seconds."""
    spec = importlib.util.find_spec("timm")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "models"
    registered = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
    return frozenset(
        name
        for file in folder.rglob("*.py")
        for name in registered.findall(file.read_text(encoding="utf-8"))
    )


def _timm_has(name: str) -> bool:
    """Whether timm has a model, or one with a tag of its weights (`name.tag`)."""
    if "." not in name or name.split(".")[0] not in timm_models():
        return name in timm_models()
    import timm

    return timm.is_model_pretrained(name)


def _describe(
    fault: Mapping[str, Any], raw: Mapping[str, Any], files: Sequence[str | Path]
) -> str:
    """One fault of pydantic's as `file: key = value: what is wrong. what it is for`."""
    path = tuple(str(part) for part in fault["loc"] if part != "[key]")
    path = tuple(part for part in path if part not in UNION_TAGS)
    key, message = ".".join(path), str(fault["msg"])
    owner, field = _owner(path)
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], owner.model_fields, 1)
        hint = f"did you mean {near[0]}?" if near else ""
        message = f"unknown key; {hint or 'known: ' + ', '.join(owner.model_fields)}"
    elif fault["type"] == "missing":
        message = "this key is needed"
    message = message.removeprefix("Value error, ")
    known = fault["type"] != "extra_forbidden"
    about = " ".join((field or "").split()) if known else ""
    value = "" if fault["type"] == "missing" else f" = {fault['input']!r}"
    return f"{_source(path, fault['input'], files)}: {key}{value}: {message}" + (
        f"\n    ({about})" if about else ""
    )


def _owner(path: Sequence[str]) -> tuple[type[Section], str | None]:
    """The section class that holds a key, and the description of the key."""
    owner: type[Section] = RunConfig
    description = None
    for part in path:
        field = owner.model_fields.get(part)
        if field is None:
            if owner is RunConfig or description is None:
                return owner, None
            continue
        description = field.description
        owner = ENTRIES.get(part) or _section_of(field.annotation) or owner
    return owner, description


def _section_of(annotation: Any) -> type[Section] | None:
    """The section class that a key holds, or may hold; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def _source(path: Sequence[str], value: Any, files: Sequence[str | Path]) -> str:
    """Where a faulty value is from: the last of `files` that has it at `path`.

    A value that no file has there is from the command line if the key is in a file,
    else a default, or missing: then the last file is the one to complete.
    """
    elsewhere = False
    for file in reversed(files):
        node: Any = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        found = True
        for part in path:
            if isinstance(node, Mapping) and part in node:
                node = node[part]
            elif isinstance(node, list) and part.isdecimal():
                node = node[int(part)]
            else:
                found = False
        if found and value in (node, path[-1]):
            return str(file)
        elsewhere = elsewhere or found
    return "--config" if elsewhere or not files else str(files[-1])
