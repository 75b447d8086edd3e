"""The order of tests, which tests share a process, and the seconds of each test."""

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Folders of long tests, the longest first. Each of their tests may run in any process
# of pytest. In other folders, all tests of a module run in one process.
LONG_FOLDERS = ("workflow", "steps", "docs")


def group_of(item: pytest.Item) -> str:
    """The group of a test. Tests of a group run in one process, in module order."""
    mark = item.get_closest_marker("xdist_group")
    if mark:
        return str(mark.args[0])
    folder, *_ = item.path.relative_to(TESTS).parts
    return item.nodeid if folder in LONG_FOLDERS else str(item.path.relative_to(TESTS))


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort groups by their `pytest.mark.slow(minutes=...)`, then by their folder.

    Long groups start early. Otherwise one process would finish long after the others.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)

    def order(group: list[pytest.Item]) -> tuple[float, int]:
        marks = [mark for item in group for mark in item.iter_markers("slow")]
        minutes = sum(mark.kwargs.get("minutes", 0.5) for mark in marks)
        folder = group[0].path.relative_to(TESTS).parts[0]
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
