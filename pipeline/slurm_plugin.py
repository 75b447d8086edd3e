"""Faults of Snakemake's SLURM plugin (2.8) that hang a run or run file names, mended.

Each is an exchange of one function of the plugin's, so that the rest stays its own.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake.jobs import GroupJob

States = dict[str, str]  # of jobs, by their IDs
Query = Callable[..., Awaitable[tuple[States | None, float | None]]]
PREEMPTED = 300.0  # s after which a preempted job that is not queued again has failed


def mend_plugin() -> None:
    """Exchange these functions; once, before jobs are submitted."""
    plugin.Executor.format_job_exec = literal(plugin.Executor.format_job_exec)
    plugin.query_job_status = answered(plugin.query_job_status)
    plugin.get_min_job_age = remembered(plugin.get_min_job_age)
    # A fault before submission (an account that is not the user's) is told with the
    # job's rule, which a group has not: the fault would be lost, the job waited for.
    GroupJob.rule = property(lambda group: min(group.jobs, key=str).rule)


def literal(format_job: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """A job's command, for the double quotes of a shell that the plugin puts it into.

    Names of files stand in it: `$(...)` in one would be run where the job is submitted.
    The plugin itself only heeds double quotes.
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
