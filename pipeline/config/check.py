"""Check a configuration before any job starts, with readable errors."""

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
from pipeline.config.run import RunConfig
from pipeline.config.sources import ASK, ServedConfig


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says what to change."""


def check_config(raw: Mapping[str, Any], files: Sequence[str | Path]) -> RunConfig:
    """Check a configuration as read from `files` and completed by the command line.

    Raises ConfigError with one line a fault: file, key, value, what is allowed.
    """
    try:
        config = RunConfig.model_validate(dict(raw))
    except ValidationError as error:
        lines = [describe(fault, raw, files) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    lines = [
        f"{source_file(path, value, files)}: {'.'.join(path)} = {value!r}: {problem}"
        for path, value, problem in _impossible(config)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    return config


def _impossible(config: RunConfig) -> list[Fault]:
    """Faults that only show outside the configuration."""
    faults: list[Fault] = []
    for name, model in config.models.items():
        if not _timm_has(model.timm):
            near = difflib.get_close_matches(model.timm, timm_models(), 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            problem = f"timm has no model of this name{hint}"
            faults.append((("models", name, "timm"), model.timm, problem))
        if isinstance(model.pretrained, str) and not Path(model.pretrained).is_file():
            problem = "no such file; give true, false or the path of a file of weights"
            faults.append((("models", name, "pretrained"), model.pretrained, problem))
    weights = config.faces.retinaface_weights
    if weights is not None and not Path(weights).is_file():
        problem = "no such file; give the path of retinaface.pth, or null to fetch it"
        faults.append((("faces", "retinaface_weights"), weights, problem))
    if config.faces.decoder == "torchcodec" and not _installed("torchcodec"):
        problem = "cannot be imported: it needs FFmpeg's shared libraries; or give auto"
        faults.append((("faces", "decoder"), "torchcodec", problem))
    faults += _impossible_sources(config)
    return faults


def _impossible_sources(config: RunConfig) -> list[Fault]:
    """Folders and files that are not there, and will not be fetched."""
    faults: list[Fault] = []
    for name, source in config.sources.by_name().items():
        path = (
            "sources",
            *(("folders",) if name in config.sources.folders else ()),
            name,
        )
        fetched = isinstance(source, ServedConfig) and source.server is not None
        made = fetched or isinstance(source, MiniatureConfig)
        if not made and not Path(source.root).is_dir():
            problem = "no such folder; give the one that holds the data set"
            if isinstance(source, ServedConfig):
                problem += f", or have it fetched: set `server`. {ASK}"
            faults.append(((*path, "root"), source.root, problem))
        for key in ("table", "names"):
            file = getattr(source, key, None)
            if file is not None and not Path(file).is_file():
                faults.append(((*path, key), file, "no such file"))
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
