"""What a step says when it fails."""

import errno
import os

import pytest

from pipeline.runtime.command_line import run as run_step


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError(
            "Can't decrement id ref count (errno = 28, error message = 'No "
            "space left on device')"
        ),  # HDF5, closing a file
    ],
)
def test_full_disk_is_told_whoever_meets_it(error, caplog):
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
