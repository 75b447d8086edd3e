"""Where a run works: with which Python, in a folder that it may write to, alone."""

import contextlib
import fcntl
import os
import sys
import tempfile
from pathlib import Path

ROOM = 1 << 16  # bytes: what a log takes
_held: list[object] = []  # the open file whose lock says that this run is alive


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


def clear_stale_lock(folder: Path) -> bool:
    """Remove Snakemake's lock on `folder` if the run that took it is dead.

    Returns whether no other run of ours is at work in it.

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
    _held.append(alive)
    alone = False
    with contextlib.suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
        for stale in (metadata / "locks").glob("*.lock"):
            stale.unlink()
    with contextlib.suppress(OSError):
        fcntl.flock(alive, fcntl.LOCK_SH)
    return alone


def use_this_python(repository: Path) -> None:
    """Let `python -m pipeline.<rule>` work in every job, whatever the folder is."""
    here = Path(sys.executable).parent
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(repository)
