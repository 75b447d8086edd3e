"""The order of tests, which tests share a process, and the seconds of each test."""

import os
from collections import Counter
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# Folders of long tests, the longest first. Each of their tests may run in any process
# of pytest. In other folders, all tests of a module run in one process.
LONG_FOLDERS = ("workflow", "steps", "docs")
# Tests in these folders that share a long fixture, by the beginning of their node ids.
# The first beginning that fits counts.
SHARED = {
    "tests/workflow/test_datasets.py": "data sets",
    "tests/workflow/test_protocols.py": "protocols",
    "tests/steps/test_train_step.py::test_training_": "undisturbed training",
    # With a finished demo at hand, each process can copy it.
    "tests/docs/test_documents.py::test_shuffled": (
        "crops" if os.environ.get("DEEPFAKE_ATLAS_DEMO") else "documents"
    ),
    "tests/docs/test_documents.py": "documents",
}


def group_of(nodeid: str) -> str:
    """The group of a test. Tests of a group run in one process, in module order."""
    for beginning, group in SHARED.items():
        if nodeid.startswith(beginning):
            return group
    module, *_ = nodeid.partition("::")
    _, folder, *_ = module.split("/")
    return nodeid if folder in LONG_FOLDERS else module


class GroupScheduling(LoadScopeScheduling):
    """Gives groups of tests to pytest's processes.

    pytest-xdist's own groups (`--dist loadgroup`, version 3.8) have no effect with
    pytest 9.2, which does not let it change the ids of tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort groups by their `pytest.mark.slow(minutes=...)`, then by their folder.

    Long groups start early. Otherwise one process would finish long after the others.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item.nodeid), []).append(item)

    def order(group: list[pytest.Item]) -> tuple[float, int]:
        marks = [mark for item in group for mark in item.iter_markers("slow")]
        minutes = sum(mark.kwargs.get("minutes", 0.5) for mark in marks)
        _, folder, *_ = group[0].nodeid.split("/")
        return -minutes, LONG_FOLDERS.index(folder) if folder in LONG_FOLDERS else len(
            LONG_FOLDERS
        )

    return [item for group in sorted(groups.values(), key=order) for item in group]


class Durations:
    """A plugin that writes the seconds of each test to a file, the longest first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration  # set-up, call and tear-down

    def pytest_sessionfinish(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        longest_first = self.seconds.most_common()
        lines = [f"{seconds:8.2f} {name}\n" for name, seconds in longest_first]
        self.file.write_text("".join(lines))
