"""What a step logs when it fails."""

import errno
import os
import sys
from dataclasses import dataclass

import pytest

from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    """A step without arguments."""


@pytest.fixture(autouse=True)
def command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step"])


def run_step(main):
    run(lambda _: main(), Arguments)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError(
            "Can't decrement id ref count (errno = 28, error message = 'No "
            "space left on device')"
        ),  # HDF5, when a file is closed
    ],
)
def test_a_full_disk_is_reported_with_a_remedy(error, caplog):
    def main():
        raise error

    with pytest.raises(SystemExit):
        run_step(main)
    assert "The disk is full: free space" in caplog.text


def test_a_bug_keeps_its_traceback():
    def main():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_step(main)
