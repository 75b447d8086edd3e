"""Programs that these tests fork behave as those that a user starts."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support import forked
from tests.support.runs import REPOSITORY

PLACE = "import os, sys; print(os.getcwd(), sys.argv, os.environ.get('WORD'))\n"


def started(start, folder, *words: str, **environment: str) -> tuple[int, str, str]:
    done = start(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["snakemake", "--version"],
        ["pipeline.predict_frames", "--faces"],
        ["no_such_module"],
        ["place", "a b", "--c"],
    ],
    ids=lambda words: words[0],
)
def test_output_and_exit_status_are_those_of_a_plain_start(tmp_path, words):
    (tmp_path / "place.py").write_text(PLACE)
    environment = {"PYTHONPATH": str(REPOSITORY), "WORD": "ü"}
    plain, fork = (
        started(start, tmp_path, *words, **environment)
        for start in (subprocess.run, forked.run)
    )
    if words[0] == "no_such_module":  # the message names the interpreter or the file
        assert plain[0] == fork[0] == 1
        assert "No module named no_such_module" in plain[2]
        assert "No module named no_such_module" in fork[2]
    else:
        assert fork == plain


def test_a_fork_runs_the_code_that_is_there_when_it_starts(tmp_path):
    for word in ("one", "other"):
        (tmp_path / "place.py").write_text(f"print({word!r})\n")
        assert started(forked.run, tmp_path, "place")[1] == f"{word}\n"


def test_a_fork_has_a_process_group_of_its_own_to_be_killed(tmp_path):
    (tmp_path / "asleep.py").write_text(
        "import subprocess\nsubprocess.run(['sleep', '60'])\n"
    )
    process = forked.Popen(
        [sys.executable, "-m", "asleep"], cwd=tmp_path, start_new_session=True
    )
    assert process.poll() is None
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
