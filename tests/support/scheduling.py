"""In which order tests run, which of them stay together, and how long each took."""

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Folders of long tests, the longest first. Their tests are spread over pytest's
# processes one by one; those of a module in another folder stay together.
LONG = ("workflow", "steps", "docs")


def group_of(item: pytest.Item) -> str:
    """The tests of a group run in one process, in their order in the module."""
    mark = item.get_closest_marker("xdist_group")
    if mark:
        return str(mark.args[0])
    folder, *_ = item.path.relative_to(TESTS).parts
    return item.nodeid if folder in LONG else str(item.path.relative_to(TESTS))


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Sort groups by their `pytest.mark.slow(minutes=...)`, then by their folder.

    What is long must begin early, or one process works at it alone in the end.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)

    def order(group: list[pytest.Item]) -> tuple[float, int]:
        marks = [mark for item in group for mark in item.iter_markers("slow")]
        minutes = sum(mark.kwargs.get("minutes", 0.5) for mark in marks)
        folder = group[0].path.relative_to(TESTS).parts[0]
        return -minutes, LONG.index(folder) if folder in LONG else len(LONG)

    return [item for group in sorted(groups.values(), key=order) for item in group]


class Durations:
    """A plugin that writes what each test took, in seconds, the longest first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration  # set-up, call and tear-down

    def pytest_sessionfinish(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{took:8.2f} {name}\n" for name, took in self.seconds.most_common()]
        self.file.write_text("".join(lines))
