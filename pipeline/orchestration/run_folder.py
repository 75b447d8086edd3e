"""The folder of a run: it must be writable, and only one run may work in it."""

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

# Flags of Snakemake's command line with which it does not run any step.
NO_RUN_FLAGS = frozenset(
    "--unlock --summary -S --detailed-summary -D --report --dag --rulegraph "
    "--filegraph --d3dag --lint --list-rules --list -l --list-target-rules --lt "
    "--list-changes --lc --list-input-changes --li --list-params-changes --lp "
    "--list-untracked --lu --containerize --print-compilation --archive "
    "--generate-unit-tests".split()
)
TEST_FILE_BYTES = 1 << 16  # about the size of a log
LOCK_ATTEMPTS, LOCK_PAUSE = 20, 0.1  # the pause is in seconds
# The open file whose lock shows that this run is alive; empty before `enter_folder`.
_held: list[IO[str]] = []


def check_writable(results: Path) -> None:
    """Create the results folder and write to it.

    Raises OSError with the folder and the remedy if that fails.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results) as file:
            file.write(b"\0" * TEST_FILE_BYTES)
            file.flush()
    except OSError as error:
        raise OSError(
            f"The results folder {results} cannot be written to ({error.strerror}): "
            "free space there or change its permissions, or set `results` to another "
            "folder."
        ) from None


def runs_nothing(words: Sequence[str]) -> bool:
    """Whether a command line asks Snakemake for something other than running steps."""
    if "--report-after-run" in words:  # it comes with `--report`
        return False
    return not NO_RUN_FLAGS.isdisjoint(word.partition("=")[0] for word in words)


def enter_folder(folder: Path, looks_only: bool = False) -> bool:
    """Take `folder` for this run, and remove the lock of a run that was killed.

    Returns True if no other run works in the folder. Then no other run can enter it
    until `share_folder` is called. Raises OSError if another run has not yet called
    `share_folder`, except if `looks_only` is set: a run that executes nothing, such as
    a dry run, does not have to wait.

    Snakemake's lock is a file, which remains after a killed run and blocks the next
    one. So every run also holds a shared kernel lock, which ends with the process. A
    run that gets this lock exclusively is alone, and may delete Snakemake's lock. If
    the file system has no kernel locks, Snakemake's lock stays, and the user has to
    call `snakemake --unlock`. Some file systems only lock within one machine: there,
    all runs of a folder must be started on the same machine.
    """
    metadata = folder / ".snakemake"
    metadata.mkdir(exist_ok=True)
    alive = open(metadata / "alive", "w")  # noqa: SIM115 - stays open during the run
    locks = list((metadata / "locks").glob("*.lock"))
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if _try_to_share(alive):
            _held.append(alive)
        elif not looks_only:
            raise OSError(
                f"Another run in {folder.resolve()} is starting, or waits for SLURM "
                "jobs of an earlier run: wait until it has started, or end it."
            ) from None
        return False
    except OSError:  # the file system has no kernel locks
        return not locks
    _held.append(alive)
    for stale in locks:
        stale.unlink()
    return True


def _try_to_share(alive: IO[str]) -> bool:
    """Try to share the lock, which another run may hold for a second when it starts."""
    for _ in range(LOCK_ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_PAUSE)
    return False


def share_folder() -> None:
    """Let other runs enter the folder that `enter_folder` took."""
    if _held:
        fcntl.flock(_held[-1], fcntl.LOCK_SH)


def use_this_python(repository: Path) -> None:
    """Make `python -m pipeline.<rule>` work in every job, in any current folder."""
    folder = Path(sys.executable).parent
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(repository)
