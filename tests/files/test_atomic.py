"""Files are complete or absent; temporary files of killed processes are deleted."""

import subprocess
import sys
import time
from contextlib import suppress

import pytest

from pipeline.files.atomic import replacing

KILLED = """
import os, signal, sys
from pipeline.files.atomic import replacing
with replacing(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_error_leaves_the_old_file(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(file):
        pass  # nothing was written
    with suppress(KeyboardInterrupt), replacing(file) as part:
        part.write_text("new")
        raise KeyboardInterrupt
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("name", ["shard.h5", "a[b]*.c.h5", "weights"])
def test_the_temporary_file_of_a_killed_process_is_deleted_by_the_next_process(
    tmp_path, name
):
    file = tmp_path / name
    subprocess.run([sys.executable, "-c", KILLED, file])
    (left,) = tmp_path.iterdir()
    assert left.name != name
    with replacing(file) as part:
        part.write_text("complete")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_temporary_files_of_others_are_kept(tmp_path):
    """Those of other files, and those of the same file that are still written to."""
    kept = [".other.node7.3.part.h5", ".shard.node7.3.part.csv", "shard.csv"]
    for name in kept:
        (tmp_path / name).touch()
    with replacing(tmp_path / "shard.h5") as part:
        part.write_text("complete")
        time.sleep(0.1)
        (tmp_path / ".shard.node8.3.part.h5").touch()
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {*kept, "shard.h5", ".shard.node8.3.part.h5"}
