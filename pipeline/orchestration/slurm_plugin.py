"""Faults of Snakemake's SLURM plugin (2.8) that hang a run or run file names, mended.

Each is an exchange of one function of the plugin's, so that the rest stays its own.
"""

import re
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake.jobs import GroupJob
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import SharedFSUsage

States = dict[str, str]  # of jobs, by their IDs
Query = Callable[..., Awaitable[tuple[States | None, float | None]]]
PREEMPTED = 300.0  # s after which a preempted job that is not queued again has failed


def mend_plugin() -> None:
    """Exchange these functions; once, before jobs are submitted."""
    plugin.Executor.get_job_args = arguments
    plugin.Executor.format_job_exec = literal(plugin.Executor.format_job_exec)
    plugin.query_job_status = answered(plugin.query_job_status)
    plugin.get_min_job_age = remembered(plugin.get_min_job_age)
    # A fault before submission (an account that is not the user's) is told with the
    # job's rule, which a group has not: the fault would be lost, the job waited for.
    GroupJob.rule = property(lambda group: min(group.jobs, key=str).rule)


def arguments(executor: Any, job: Any) -> str:
    """A job's arguments, with the names of the files that it waits for in a file.

    Snakemake puts up to twenty of them between single quotes, whatever is in them.
    """
    named = RealExecutor.get_job_args(executor, job)
    shared = executor.workflow.storage_settings.shared_fs_usage
    if SharedFSUsage.INPUT_OUTPUT not in shared:
        return named
    file = Path(f"{executor.get_jobscript(job)}.waitforfilesfile.txt")
    names = [executor.tmpdir, *job.get_wait_for_files()]
    file.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return f"{named} --wait-for-files-file {shlex.quote(str(file))}"


def literal(format_job: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """A job's command, for the double quotes of a shell that the plugin puts it into.

    What stands in it as `$(...)` would be run where the job is submitted: the plugin
    itself only heeds double quotes.
    """

    def command(executor: Any, job: Any) -> str:
        text = format_job(executor, job)
        if executor.workflow.executor_settings.pass_command_as_script:
            return text  # which no shell reads before the job's own
        return re.sub(r"([\\$`])", r"\\\1", text)

    return command


def answered(query: Query) -> Query:
    """The query of jobs' states, which never fails and never leaves a job in limbo.

    If SLURM does not answer, no job is told of, so that the plugin asks again: of a
    failure it would drop them all. A job that was preempted and is still not queued
    again after PREEMPTED seconds has failed: it would be waited for without an end
    where preempted jobs are cancelled (PreemptMode=CANCEL).
    """
    since: dict[str, float] = {}  # when a job was first seen to be preempted

    async def ask(*arguments: Any) -> tuple[States, float]:
        found, seconds = await query(*arguments)
        states = found or {}
        now = time.monotonic()
        preempted = {job for job, state in states.items() if state == "PREEMPTED"}
        for job in since.keys() - preempted:
            del since[job]
        for job in preempted:
            if now - since.setdefault(job, now) > PREEMPTED:
                states[job] = "FAILED"
        return states, seconds or 0.0

    return ask


def remembered(ask: Callable[[], int | None]) -> Callable[[], int | None]:
    """A question about SLURM's configuration, whose answer outlives a failure."""
    known: int | None = None

    def recall() -> int | None:
        nonlocal known
        answer = ask()
        known = known if answer is None else answer
        return known

    return recall
