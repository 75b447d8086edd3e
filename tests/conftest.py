"""Fixtures of all tests: a finished small run, and a small corpus of videos."""

import os
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.reference import reference_run
from tests.support.runs import Run
from tests.support.scheduling import Durations, GroupScheduling, longest_first

SERVER = pytest.StashKey[forked.Server]()


def pytest_addoption(parser):
    parser.addoption(
        "--keep-durations",
        type=Path,
        metavar="FILE",
        help="write the seconds that each test took to this file, the longest first",
    )


def pytest_configure(config):
    """Start a server for all of pytest's processes; it imports nothing until used."""
    if hasattr(config, "workerinput"):
        return
    config.stash[SERVER] = forked.Server()
    os.environ[forked.ADDRESS] = config.stash[SERVER].address
    if config.option.keep_durations:
        config.pluginmanager.register(Durations(config.option.keep_durations))


def pytest_unconfigure(config):
    if SERVER in config.stash:
        config.stash[SERVER].stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items):
    yield  # here `-m` takes tests out
    items[:] = longest_first(items)


def pytest_xdist_make_scheduler(config, log):
    return GroupScheduling(config, log)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Run:
    """A small run, really executed to its end; copy it before changing anything."""
    return reference_run().copy(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """The folder of a rendered miniature corpus: one pair in c23 and c40."""
    from pipeline.config.miniature import MiniatureConfig
    from pipeline.videos.miniature.corpus import render_sequence
    from pipeline.videos.sources.miniature import list_videos

    folder = tmp_path_factory.mktemp("corpus")
    sizes = {"train_pairs": 1, "val_pairs": 1, "test_pairs": 1}
    config = MiniatureConfig(**sizes, min_frames=10, max_frames=14)
    table = list_videos(config, "miniature")
    for _, row in table[table.split == "train"].iterrows():
        render_sequence(row, config, folder)
    return folder


@pytest.fixture
def real_video(corpus: Path) -> Path:
    return corpus / "original_sequences/youtube/c23/videos/000.mp4"
