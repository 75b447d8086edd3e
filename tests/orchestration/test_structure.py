"""The layout of the tests: folders mirror packages; shared code is in `support`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.runs import REPOSITORY

TESTS = REPOSITORY / "tests"
PACKAGES = {
    *("runtime", "files", "statistics", "config"),
    *("videos", "faces", "models", "metrics", "attributions", "atlases"),
    *("orchestration", "report"),
}
# Other folders: rule scripts as programs, complete runs, SLURM, documents, shared code.
OTHERS = {"steps", "workflow", "slurm", "docs", "support"}
MODULES = sorted(TESTS.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """The full names of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_module_imports_a_test_module():
    tests = {file.stem for file in MODULES if file.stem.startswith("test_")}
    importing = {
        str(module.relative_to(TESTS))
        for module in MODULES
        for name in imported(module)
        if {"conftest", *tests} & {*name.split(".")}
    }
    assert importing == set()


def test_each_package_has_a_folder_of_tests():
    folders = {file.parent.relative_to(TESTS) for file in MODULES}
    assert {str(folder) for folder in folders} - {"."} == PACKAGES | OTHERS
