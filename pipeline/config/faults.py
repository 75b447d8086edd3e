"""What is said of a fault in the configuration: file, key, value and remedy."""

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.run import ENTRIES, RunConfig
from pipeline.config.section import Section, section_of

Fault = tuple[tuple[str, ...], Any, str]  # path, value, what is wrong

# What pydantic puts into an error's path for the members of a union.
UNION_TAGS = ("bool", "str", "AugmentConfig")


def describe(
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
    elif fault["type"] == "float_type" and (plain := _number_in(fault["input"])):
        message = f"YAML reads this as text; write {plain}"
    message = message.removeprefix("Value error, ")
    known = fault["type"] != "extra_forbidden"
    about = " ".join((field or "").split()) if known else ""
    value = "" if fault["type"] == "missing" else f" = {fault['input']!r}"
    return f"{source_file(path, fault['input'], files)}: {key}{value}: {message}" + (
        f"\n    ({about})" if about else ""
    )


def _number_in(value: Any) -> str | None:
    """Text that is a number to everybody but YAML, as YAML knows it: 1e-5 has to be
    1.0e-5. None for anything else."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    shortest = repr(number)
    plain = shortest if "." in shortest else shortest.replace("e", ".0e")
    return plain if math.isfinite(number) else None


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
        owner = ENTRIES.get(part) or section_of(field.annotation) or owner
    return owner, description


def source_file(path: Sequence[str], value: Any, files: Sequence[str | Path]) -> str:
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
