"""Check a configuration before any job starts, and describe its faults."""

import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.faults import Fault, describe, source_file
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.protocols import FINISHED
from pipeline.config.run import RunConfig
from pipeline.config.sources import ACCESS_HINT, ServedConfig


class ConfigError(ValueError):
    """The configuration cannot be run. The message says what to change."""


def check_config(raw: Mapping[str, Any], files: Sequence[str | Path]) -> RunConfig:
    """Check the configuration `raw`, which was read from `files` and `--config`.

    Raises ConfigError with one line for each fault: file, key, value, remedy.
    """
    try:
        config = RunConfig.model_validate(dict(raw))
    except ValidationError as error:
        lines = [describe(fault, raw, files) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    lines = [
        f"{source_file(path, value, files)}: {'.'.join(path)} = {value!r}: {problem}"
        for path, value, problem in _environment_faults(config)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    return config


def _environment_faults(config: RunConfig) -> list[Fault]:
    """Faults that depend on installed packages and on files."""
    faults: list[Fault] = []
    for name, model in config.models.items():
        if model.timm is not None and not timm_has(model.timm):
            similar = difflib.get_close_matches(model.timm, timm_models(), 3)
            hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
            problem = f"timm has no model of this name{hint}"
            faults.append((("models", name, "timm"), model.timm, problem))
        if isinstance(model.pretrained, str) and not Path(model.pretrained).is_file():
            problem = "no such file; give true, false or the path of a file of weights"
            faults.append((("models", name, "pretrained"), model.pretrained, problem))
    if FINISHED in config.protocols and any(m.finished for m in config.models.values()):
        problem = "this name stands for the models with `weights`; choose another name"
        faults.append((("protocols", FINISHED), FINISHED, problem))
    for training in config.trainings():
        if training.number > 1 and training.name in config.models:
            problem = (
                f"with seeds: {config.seeds}, this is the name of training "
                f"{training.number} of {training.model}; choose another name"
            )
            faults.append((("models", training.name), training.name, problem))
    weights = config.faces.retinaface_weights
    if weights is not None and not Path(weights).is_file():
        problem = "no such file; give the path of retinaface.pth, or null to fetch it"
        faults.append((("faces", "retinaface_weights"), weights, problem))
    if config.faces.decoder == "torchcodec" and not _installed("torchcodec"):
        problem = "cannot be imported; install FFmpeg's shared libraries, or give auto"
        faults.append((("faces", "decoder"), "torchcodec", problem))
    faults += _source_faults(config)
    return faults


def _source_faults(config: RunConfig) -> list[Fault]:
    """Folders and files of sources that do not exist and will not be downloaded."""
    faults: list[Fault] = []
    for name, source in config.sources.by_name().items():
        path = (
            "sources",
            *(("folders",) if name in config.sources.folders else ()),
            name,
        )
        downloaded = isinstance(source, ServedConfig) and source.server is not None
        drawn = isinstance(source, MiniatureConfig)
        if not downloaded and not drawn and not Path(source.root).is_dir():
            problem = "no such folder; give the folder of the data set"
            if isinstance(source, ServedConfig):
                problem += f", or set `server` to download it. {ACCESS_HINT}"
            faults.append(((*path, "root"), source.root, problem))
        for key in ("table", "names"):
            file = getattr(source, key, None)
            if file is not None and not Path(file).is_file():
                problem = "no such file; give the path of the file, or null"
                faults.append(((*path, key), file, problem))
    return faults


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@cache
def timm_models() -> frozenset[str]:
    """Names of timm's models, without tags of weights.

    They are read from timm's source, which takes 10 ms. Importing timm takes seconds.
    """
    spec = importlib.util.find_spec("timm")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "models"
    # A pattern that begins with fixed bytes is found ten times as fast as one with ^.
    registered = re.compile(rb"\n@register_model\s+def (\w+)\(")
    return frozenset(
        name.decode()
        for file in folder.rglob("*.py")
        for name in registered.findall(file.read_bytes())
    )


def timm_has(name: str) -> bool:
    """Whether timm has a model of this name, or weights of this `name.tag`."""
    if "." not in name or name.split(".")[0] not in timm_models():
        return name in timm_models()
    import timm

    return bool(timm.is_model_pretrained(name))
