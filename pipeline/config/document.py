"""Write the files that describe the configuration, from the section classes.

`python -m pipeline.config.document` writes config/config.yaml, its JSON schema and the
table of keys in config/README.md. With `--check` it writes nothing, and it ends with an
error that names the files that differ from the section classes.
"""

import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from pipeline.config.run import ENTRIES, RunConfig
from pipeline.config.section import Reruns, Section, section_of
from pipeline.config.sources import SourcesConfig

CONFIG_FOLDER = Path(__file__).parents[2] / "config"
BEGIN_MARK, END_MARK = "<!-- config: generated -->\n", "<!-- config: end -->\n"
YAML_HEADER = """\
# The default configuration: it uses the miniature corpus.
# Generated from pipeline/config/ by `make docs`. The values here are the defaults,
# except for `models`: your own models start from the defaults in config/README.md.
# Copy the keys that you change into your own file, and use it with
# snakemake all --configfile mine.yaml
# yaml-language-server: $schema=config.schema.json
"""


def config_yaml() -> str:
    """The default configuration as YAML, with a comment for each key."""
    return YAML_HEADER + "\n" + "\n".join(_yaml_lines(RunConfig(), "")) + "\n"


def _yaml_lines(section: Section, indent: str) -> list[str]:
    lines: list[str] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if not indent and lines:
            lines.append("")
        lines += [f"{indent}# {line}" for line in _about(field).splitlines()]
        if isinstance(value, Section):
            lines += [f"{indent}{name}:", *_yaml_lines(value, indent + "  ")]
        elif isinstance(value, dict) and value:
            lines.append(f"{indent}{name}:")
            for key, entry in value.items():
                lines += [f"  {key}:", *_yaml_lines(entry, "    ")]
        else:
            lines.append(f"{indent}{name}: {_scalar(value)}")
    return lines


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _about(field: FieldInfo) -> str:
    bounds = _bounds(field)
    return str(field.description) + (f"\n[{bounds}]" if bounds else "")


def _bounds(field: FieldInfo) -> str:
    """The allowed values of a key in words; "" if only its type restricts them."""
    options = _options(field.annotation)
    if options:
        return "one of: " + ", ".join(str(option) for option in options)
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}
    return ", ".join(
        f"{words[type(rule)]} {getattr(rule, type(rule).__name__.lower())}"
        for rule in field.metadata
        if type(rule) in words
    )


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((o for a in get_args(annotation) if (o := _options(a))), ())


def schema_json() -> str:
    """The JSON schema of the configuration, for editors."""
    return json.dumps(RunConfig.model_json_schema(), indent=2) + "\n"


def table_of_keys() -> str:
    """A Markdown table with one row for each key.

    The columns are the key, its default, the steps that it makes stale, and its
    description with the allowed values.
    """
    lines = ["| key | default | reruns | description |", "|---|---|---|---|"]
    lines += _table_lines(RunConfig, RunConfig(), "")
    return "\n".join(lines) + "\n"


def _table_lines(kind: type[Section], values: Section | None, prefix: str) -> list[str]:
    lines: list[str] = []
    for name, field in kind.model_fields.items():
        value = getattr(values, name) if values else field.get_default()
        about = " ".join(_about(field).split()).replace("|", "\\|")
        inner = section_of(field.annotation)
        if isinstance(value, dict):
            names = ", ".join(value) or "none"
            lines.append(f"| `{prefix}{name}` | {names} | | {about} |")
            lines += _table_lines(ENTRIES[name], None, f"{prefix}{name}.<name>.")
        elif inner and kind is SourcesConfig:
            default = "used" if value else "`null`"
            lines.append(f"| `{prefix}{name}` | {default} | | {about} |")
            lines += _table_lines(inner, None, f"{prefix}{name}.")
        elif isinstance(value, Section):
            if type(None) in get_args(field.annotation):  # the section may be null
                lines.append(f"| `{prefix}{name}` | as below | | {about} |")
            lines += _table_lines(type(value), value, f"{prefix}{name}.")
        else:
            default = "needed" if field.is_required() else f"`{_scalar(value)}`"
            reruns = _stale_steps(kind.reruns_of(name))
            lines.append(f"| `{prefix}{name}` | {default} | {reruns} | {about} |")
    return lines


def _stale_steps(mark: Reruns) -> str:
    """The steps that a key makes stale, with the conditions."""
    steps = ", ".join(f"`{step}`" for step in mark.steps) or "nothing"
    conditions = ", ".join(f"{key}: {value}" for key, value in mark.when.items())
    return f"{steps} ({conditions})" if conditions else steps


def documents() -> dict[Path, str]:
    """The generated files and the text that each must have."""
    return {
        CONFIG_FOLDER / "config.yaml": config_yaml(),
        CONFIG_FOLDER / "config.schema.json": schema_json(),
        CONFIG_FOLDER / "README.md": with_new_table(CONFIG_FOLDER / "README.md"),
    }


def with_new_table(page: Path) -> str:
    """The text of a page, with the table between its two markers generated again."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN_MARK)
    after = rest.split(END_MARK)[1]
    return before + BEGIN_MARK + table_of_keys() + END_MARK + after


def main() -> None:
    drifted = [
        path
        for path, text in documents().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" not in sys.argv:
        for path in drifted:
            path.write_text(documents()[path], encoding="utf-8")
    elif drifted:
        names = ", ".join(f"config/{path.name}" for path in drifted)
        sys.exit(f"these files differ from pipeline/config/: {names}; run `make docs`")


if __name__ == "__main__":
    main()
