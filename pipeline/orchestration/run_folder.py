"""Where a run works: with which Python, in a folder that it may write to, alone."""

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

# What Snakemake is asked for instead of running anything.
INSTEAD = frozenset(
    "--unlock --summary -S --detailed-summary -D --report --dag --rulegraph "
    "--filegraph --d3dag --lint --list-rules --list -l --list-target-rules --lt "
    "--list-changes --lc --list-input-changes --li --list-params-changes --lp "
    "--list-untracked --lu --containerize --print-compilation --archive "
    "--generate-unit-tests".split()
)
ROOM = 1 << 16  # bytes: what a log takes
_held: list[IO[str]] = []  # the open file whose lock says that this run is alive


def check_writable(results: Path) -> None:
    """Raise OSError that names the folder and the remedy if nothing can be written."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results) as file:
            file.write(b"\0" * ROOM)
            file.flush()
    except OSError as error:
        raise OSError(
            f"The results folder {results} cannot be written to ({error.strerror}): "
            "free space there or change its permissions, or set `results` to another "
            "folder."
        ) from None


def runs_nothing(words: Sequence[str]) -> bool:
    """Whether a command line asks Snakemake for something else than to run steps."""
    return not INSTEAD.isdisjoint(word.partition("=")[0] for word in words)


def enter_folder(folder: Path, looks_only: bool = False) -> bool:
    """Take `folder` for this run, and remove Snakemake's lock if its run is dead.

    Returns whether no other run of ours is at work in it; then none can enter until
    `share_folder` is called. Raises OSError while another keeps it like that, unless
    this one only looks.

    Snakemake's lock is a file, which outlives a killed run and then refuses the next.
    Every run of ours also shares a lock of the kernel's, which dies with the process:
    who can have that one alone knows that nobody is there to hold the other. Where the
    file system has no such locks, Snakemake's stays, and `snakemake --unlock` is up to
    the user. (A file system whose locks hold on one machine only cannot tell of runs
    on another: start the runs of one folder on one machine.)
    """
    metadata = folder / ".snakemake"
    metadata.mkdir(exist_ok=True)
    alive = open(metadata / "alive", "w")  # noqa: SIM115 - open as long as the run
    locks = list((metadata / "locks").glob("*.lock"))
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if _shared(alive):
            _held.append(alive)
        elif not looks_only:
            raise OSError(
                f"Another run in {folder.resolve()} is starting, or waits for SLURM "
                "jobs of one before it: let it go on, or end it."
            ) from None
        return False
    except OSError:  # no such locks here
        return not locks
    _held.append(alive)
    for stale in locks:
        stale.unlink()
    return True


def _shared(alive: IO[str]) -> bool:
    """Whether the lock can be shared, within the second that a start keeps it."""
    for _ in range(20):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False


def share_folder() -> None:
    """Let others look at the folder that was entered."""
    if _held:
        fcntl.flock(_held[-1], fcntl.LOCK_SH)


def use_this_python(repository: Path) -> None:
    """Let `python -m pipeline.<rule>` work in every job, whatever the folder is."""
    here = Path(sys.executable).parent
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(repository)
