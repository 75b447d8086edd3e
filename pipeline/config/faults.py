"""Messages about faults in the configuration: file, key, value and remedy."""

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.run import ENTRIES, RunConfig
from pipeline.config.section import Section, section_of

Fault = tuple[tuple[str, ...], Any, str]  # path of the key, value, what is wrong

# Parts of an error's path by which pydantic names the member of a union.
UNION_TAGS = ("bool", "str", "AugmentConfig")


def describe(
    fault: Mapping[str, Any], raw: Mapping[str, Any], files: Sequence[str | Path]
) -> str:
    """A fault that pydantic found, as text: `file: key = value: what is wrong`.

    The description of the key follows in parentheses.
    """
    path = tuple(str(part) for part in fault["loc"] if part != "[key]")
    path = tuple(part for part in path if part not in UNION_TAGS)
    key, message = ".".join(path), str(fault["msg"])
    owner, field = _owner(path)
    if fault["type"] == "extra_forbidden":
        similar = difflib.get_close_matches(path[-1], owner.model_fields, 1)
        hint = f"did you mean {similar[0]}?" if similar else ""
        message = (
            f"unknown key; {hint or 'known keys: ' + ', '.join(owner.model_fields)}"
        )
    elif fault["type"] == "missing":
        message = "this key is needed"
    elif fault["type"] == "float_type" and (number := _yaml_number(fault["input"])):
        message = f"YAML reads this as text; write {number}"
    message = message.removeprefix("Value error, ")
    known = fault["type"] != "extra_forbidden"
    about = " ".join((field or "").split()) if known else ""
    value = "" if fault["type"] == "missing" else f" = {fault['input']!r}"
    return f"{source_file(path, fault['input'], files)}: {key}{value}: {message}" + (
        f"\n    ({about})" if about else ""
    )


def _yaml_number(value: Any) -> str | None:
    """Write a number that YAML reads as text so that YAML reads it as a number.

    For example 1e-5 becomes 1.0e-5. Returns None for anything else than such text.
    """
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    text = repr(number)
    with_point = text if "." in text else text.replace("e", ".0e")
    return with_point if math.isfinite(number) else None


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
    """Where a faulty value was set: the last of `files` that has it at `path`.

    If no file has this value but a file has the key, the value is from the command
    line. Otherwise it is a default or missing, and the last file is to be completed.
    """
    key_in_file = False
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
        key_in_file = key_in_file or found
    return "--config" if key_in_file or not files else str(files[-1])
