"""SLURM jobs that outlive the run which submitted them.

When Snakemake is killed on the login node, its jobs go on. Submitted again, they would
be computed twice, and two would write the same files.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Snakemake names a run's jobs by a random UUID, with the profile's prefix or without.
RUN = re.compile(r"([\w-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FIELDS = ["JobID", "State", "Name", "Comment", "WorkDir"]
LOGS = ".snakemake/slurm_logs"  # in a run's folder, while its jobs are in the queue
PAUSE, REMINDER = 5.0, 60.0  # s
PATIENCE = 300.0  # s that SLURM's queue may be silent


class QueueSilent(RuntimeError):
    """SLURM's queue cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Job:
    """A job in SLURM's queue."""

    id: str
    state: str
    name: str
    step: str  # rule and wildcards
    folder: Path


def wait_for_lost_jobs(folder: Path, say: Callable[[str], None] = print) -> None:
    """Wait for the jobs that a run in `folder` left behind when it was killed.

    What they finish need not be done again. Those that have not started are cancelled:
    the new run submits them. Nobody else may be at work in `folder`. Raises QueueSilent
    if the queue cannot be read for PATIENCE seconds.
    """
    reminded = 0.0
    while jobs := _patiently(folder, say):
        waiting = [job.id for job in jobs if job.state == "PENDING"]
        if waiting:  # unless it has started meanwhile
            command = ["scancel", "--state=PENDING", *waiting]
            subprocess.run(command, check=False, timeout=60)
        if time.monotonic() - reminded > REMINDER or not reminded:
            reminded = time.monotonic()
            say(_told(jobs))
        time.sleep(PAUSE)


def _told(jobs: list[Job]) -> str:
    steps = "".join(f"\n  {job.id} {job.state} {job.step}" for job in jobs)
    names = " ".join(f"--name={name}" for name in sorted({job.name for job in jobs}))
    return (
        f"A run in this folder was killed, and {len(jobs)} of its SLURM jobs are still "
        f"there; waiting for them, since what they finish need not be done again "
        f"(those that have not started are cancelled, and submitted anew). To end them "
        f"instead: scancel {names}{steps}"
    )


def _patiently(folder: Path, say: Callable[[str], None]) -> list[Job]:
    """`lost_jobs`, asked for again while SLURM does not answer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return lost_jobs(folder)
        except QueueSilent as silent:
            if time.monotonic() > deadline:
                raise
            say(f"{silent} Asking again.")
        time.sleep(PAUSE)


def lost_jobs(folder: Path) -> list[Job]:
    """Jobs of Snakemake's in SLURM's queue that were submitted from `folder`."""
    if not (folder / LOGS).is_dir() or shutil.which("squeue") is None:
        return []
    layout = ",".join(f"{name}:|" for name in FIELDS)
    command = ["squeue", "--noheader", "--user", str(os.getuid()), f"--Format={layout}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        )
    except subprocess.TimeoutExpired:
        raise _silent("it does not answer") from None
    except subprocess.CalledProcessError as error:
        raise _silent(error.stderr.strip()) from None
    rows = [line.removesuffix("|").split("|", 4) for line in done.stdout.splitlines()]
    jobs = [Job(*row[:4], Path(row[4])) for row in rows if len(row) == len(FIELDS)]
    here = folder.resolve()
    return [job for job in jobs if RUN.fullmatch(job.name) and job.folder == here]


def _silent(why: str) -> QueueSilent:
    return QueueSilent(
        f"squeue cannot tell whether SLURM jobs of an earlier run in this folder still "
        f"run ({why}): submitted again, they would be done twice. If you know that "
        f"none does, remove {LOGS}."
    )


def ignore_warnings() -> None:
    """Let SIGUSR1, a scheduler's warning, pass: the step that runs heeds it.

    SLURM sends it to all processes of a job, and it would end Snakemake and the shell
    between Snakemake and the step. What is ignored stays so in what they start.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
