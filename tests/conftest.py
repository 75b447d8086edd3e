"""Fixtures of all tests: a finished small run, and a small corpus of videos."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.runs import Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Run:
    """A small run, really executed to its end; copy it before changing anything.

    One for all of pytest's processes: the first that wants it makes it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    folder.mkdir(exist_ok=True)
    run = Run(folder / "run")
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            run.configure().snakemake("all")
            (folder / "done").touch()
    return run


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
