"""The arguments of steps: how they are parsed. Rules pass all of them."""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from pipeline.config.evaluation import EvaluationConfig
from pipeline.runtime.command_line import Json, parse, run
from tests.support.runs import REPOSITORY

SCRIPTS = {
    file.stem: file.read_text()
    for file in (REPOSITORY / "pipeline").glob("*.py")
    if file.name != "__init__.py"
}


@dataclass(frozen=True)
class Arguments:
    table: Path
    shards: list[Path]
    seeds: list[int]
    options: tuple[Path, ...]
    name: str
    workers: int
    margin: float
    originals: Path | None
    config: EvaluationConfig
    runs: Annotated[list[dict[str, int]], Json]


WORDS = {
    "table": ["a b.csv"],
    "shards": ["one.h5", "two.h5"],
    "seeds": ["1", "-2"],
    "options": ["a.csv", "b.csv"],
    "name": ["007"],
    "workers": ["2"],
    "margin": ["1.3"],
    "originals": [""],
    "config": ['{"bootstrap": 100}'],
    "runs": ['[{"a": 1}, {}]'],
}


def words(**changes: list[str]) -> list[str]:
    """The command line of WORDS with these changes."""
    given = WORDS | changes
    return [word for name, values in given.items() for word in (f"--{name}", *values)]


def test_values_have_the_types_of_the_fields():
    assert parse(Arguments, words()) == Arguments(
        table=Path("a b.csv"),
        shards=[Path("one.h5"), Path("two.h5")],
        seeds=[1, -2],
        options=(Path("a.csv"), Path("b.csv")),
        name="007",
        workers=2,
        margin=1.3,
        originals=None,
        config=EvaluationConfig(bootstrap=100),
        runs=[{"a": 1}, {}],
    )
    given = parse(Arguments, words(originals=["o.h5"]))
    assert given.originals == Path("o.h5")
    assert parse(Arguments, words(options=[])).options == ()


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("workers", "1.5", "invalid literal for int"),
        ("seeds", "x", "invalid literal for int"),
        ("margin", "wide", "could not convert string to float: 'wide'"),
        ("config", '{"bootstrap": "many"}', "Input should be a valid integer"),
        ("config", '{"bootstrop": 100}', "Extra inputs are not permitted"),
        ("config", "{", "Invalid JSON"),
        ("runs", "[1,", "Expecting value"),
    ],
)
def test_a_wrong_value_ends_the_step_and_names_the_flag(flag, value, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(Arguments, words(**{flag: [value]}))
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert f"error: argument --{flag}: " in printed
    assert message in printed


def test_missing_and_unknown_flags_are_named(capsys):
    with pytest.raises(SystemExit):
        parse(Arguments, words()[2:])
    assert "the following arguments are required: --table" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(Arguments, [*words(), "--tables", "x"])
    assert "unrecognized arguments: --tables x" in capsys.readouterr().err


def test_the_help_text_is_the_docstring_of_the_module(capsys):
    with pytest.raises(SystemExit):
        parse(Arguments, ["--help"])
    assert "The arguments of steps: how they are parsed" in capsys.readouterr().out


def test_a_field_of_another_type_is_an_error():
    @dataclass
    class Unsupported:
        flag: bool

    with pytest.raises(TypeError, match="bool"):
        parse(Unsupported, ["--flag", "False"])


def test_a_step_runs_on_parsed_arguments(monkeypatch):
    given = []
    monkeypatch.setattr(sys, "argv", ["step", *words()])
    run(given.append, Arguments)
    assert given == [parse(Arguments, words())]


def fields(script: str) -> set[str]:
    """The fields of the class `Arguments` of a script, read without importing it."""
    (arguments,) = (
        node
        for node in ast.parse(script).body
        if isinstance(node, ast.ClassDef) and node.name == "Arguments"
    )
    return {
        node.target.id for node in arguments.body if isinstance(node, ast.AnnAssign)
    }


def test_every_rule_passes_all_arguments_of_its_script():
    rules = [file.read_text() for file in (REPOSITORY / "workflow").rglob("*.smk")]
    # Adjacent strings of a shell command are one string.
    commands = re.findall(
        r"-m pipeline\.(\w+)(.*?)> ?\{log", "\n".join(rules).replace('"', ""), re.DOTALL
    )
    passed = {name: set(re.findall(r"--(\w+)", rest)) for name, rest in commands}
    assert passed == {name: fields(script) for name, script in SCRIPTS.items()}
