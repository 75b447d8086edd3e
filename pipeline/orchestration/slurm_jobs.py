"""Orphaned SLURM jobs: jobs that still run after their Snakemake run was killed.

If the next run submitted them again, they would be computed twice, and two jobs would
write the same files.
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

# Snakemake names all jobs of a run with one random UUID, maybe after a prefix from the
# profile.
RUN_NAME = re.compile(r"([\w-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QUEUE_FIELDS = ["JobID", "State", "Name", "Comment", "WorkDir"]
# A folder in a run's folder, which exists while jobs of the run are in the queue.
LOG_FOLDER = ".snakemake/slurm_logs"
POLL_SECONDS, REMINDER_SECONDS = 5.0, 60.0
MAX_SILENT_SECONDS = 300.0  # SLURM's queue may not answer for this long


class QueueSilent(RuntimeError):
    """SLURM's queue cannot be read. The message has the reason and the remedy."""


@dataclass(frozen=True)
class Job:
    """A job in SLURM's queue."""

    id: str
    state: str
    name: str
    step: str  # its rule and wildcards
    folder: Path


def wait_for_orphaned_jobs(folder: Path, say: Callable[[str], None] = print) -> None:
    """Wait for the jobs of a run in `folder` that was killed.

    Their results are used by the new run. Jobs that have not started are cancelled,
    because the new run submits them again. No other run may work in `folder`. `say` is
    called with messages for the user. Raises QueueSilent if the queue cannot be read
    for MAX_SILENT_SECONDS.
    """
    reminded = 0.0
    while jobs := _orphaned_jobs_with_retries(folder, say):
        waiting = [job.id for job in jobs if job.state == "PENDING"]
        if waiting:
            # The state is repeated, because a job may have started in the meantime.
            command = ["scancel", "--state=PENDING", *waiting]
            subprocess.run(command, check=False, timeout=60)
        if time.monotonic() - reminded > REMINDER_SECONDS or not reminded:
            reminded = time.monotonic()
            say(_message(jobs))
        time.sleep(POLL_SECONDS)


def _message(jobs: list[Job]) -> str:
    steps = "".join(f"\n  {job.id} {job.state} {job.step}" for job in jobs)
    names = " ".join(f"--name={name}" for name in sorted({job.name for job in jobs}))
    return (
        f"A run in this folder was killed, and {len(jobs)} of its SLURM jobs are still "
        f"there; waiting for them, because this run uses their results (jobs that have "
        f"not started are cancelled and submitted again). To end them instead: "
        f"scancel {names}{steps}"
    )


def _orphaned_jobs_with_retries(folder: Path, say: Callable[[str], None]) -> list[Job]:
    """`orphaned_jobs`, repeated until SLURM answers."""
    deadline = time.monotonic() + MAX_SILENT_SECONDS
    while True:
        try:
            return orphaned_jobs(folder)
        except QueueSilent as silent:
            if time.monotonic() > deadline:
                raise
            say(f"{silent} Asking again.")
        time.sleep(POLL_SECONDS)


def orphaned_jobs(folder: Path) -> list[Job]:
    """Snakemake's jobs in SLURM's queue that were submitted from `folder`.

    Raises QueueSilent if the queue cannot be read.
    """
    if not (folder / LOG_FOLDER).is_dir() or shutil.which("squeue") is None:
        return []
    layout = ",".join(f"{name}:|" for name in QUEUE_FIELDS)
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
    jobs = [
        Job(job_id, state, name, step, Path(job_folder))
        for job_id, state, name, step, job_folder in (
            row for row in rows if len(row) == len(QUEUE_FIELDS)
        )
    ]
    here = folder.resolve()
    return [job for job in jobs if RUN_NAME.fullmatch(job.name) and job.folder == here]


def _silent(why: str) -> QueueSilent:
    return QueueSilent(
        f"squeue cannot tell whether SLURM jobs of an earlier run in this folder are "
        f"still running ({why}). If they were submitted again, they would be computed "
        f"twice. If you know that none is running, remove {LOG_FOLDER}."
    )


def ignore_warnings() -> None:
    """Ignore SIGUSR1, the warning of a scheduler, in Snakemake and in the shell.

    SLURM sends it to all processes of a job, and by default it ends a process. Only the
    step handles it. Processes that this one starts ignore it as well, unless they set a
    handler.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
