"""The paths and steps in the architecture page and CONTRIBUTING.md exist."""

import re

import pytest

from tests.support.documents import REPOSITORY, code_spans, read

# A file or folder of the repository, but not results or files of the user.
PATH = re.compile(r"[\w.<>*-]*(/[\w.<>*-]*)+|[\w-]+\.(md|toml|cff|lock|yaml|csv|py)")
TOP_LEVEL_FILES = ("Snakefile", "Makefile")


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_named_paths_exist(page):
    spans = code_spans(page)
    paths = {s for s in spans if PATH.fullmatch(s) or s in TOP_LEVEL_FILES}
    assert len(paths) > 10
    missing = sorted(path for path in paths if not (REPOSITORY / path).exists())
    assert missing == []


def test_each_step_on_the_way_of_a_video_is_a_script():
    section = read("docs/architecture.md").split("## The way of one video")[1]
    steps = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", section.split("\n## ")[0]))
    assert len(steps) > 10
    scripts = {path.stem for path in (REPOSITORY / "pipeline").glob("*.py")}
    assert sorted(steps - scripts) == []
