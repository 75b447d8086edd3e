"""The layout of the tests: they mirror the packages, and share code by `support`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.runs import REPOSITORY

TESTS = REPOSITORY / "tests"
PACKAGES = {
    *("runtime", "files", "statistics", "config"),
    *("videos", "faces", "models", "metrics", "attributions", "atlases"),
    "orchestration",
}
# Beside the packages: rule scripts as programs, whole runs, documents, shared code.
OTHERS = {"steps", "workflow", "slurm", "docs", "support"}
MODULES = sorted(TESTS.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """Full names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_module_imports_a_test():
    tests = {file.stem for file in MODULES if file.stem.startswith("test_")}
    importing = {
        str(module.relative_to(TESTS))
        for module in MODULES
        for name in imported(module)
        if {"conftest", *tests} & {*name.split(".")}
    }
    assert importing <= {"slurm/test_without_accounting.py"}  # until it shares support


def test_folders_are_the_packages_and_a_few_more():
    folders = {file.parent.relative_to(TESTS) for file in MODULES}
    assert {str(folder) for folder in folders} - {"."} == PACKAGES | OTHERS
