"""Patches of Snakemake's SLURM plugin, version 2.8, applied when the plugin is used.

Each patch replaces one function of the plugin and states its reason. The faults were
seen in version 2.8.0. Another version may have other functions, or no such faults: it
is refused, so that nobody relies on a patch that has no effect.
"""

import re
import shlex
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake.jobs import GroupJob
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import SharedFSUsage

PACKAGE = "snakemake-executor-plugin-slurm"
PATCHED_VERSION = "2.8"
MAX_PREEMPTED_SECONDS = 300.0  # a job that is preempted for longer has failed

States = dict[str, str]  # states of jobs by their IDs
Query = Callable[..., Awaitable[tuple[States | None, float | None]]]


def patch_when_used() -> None:
    """Patch the plugin as soon as a run creates its executor, which only runs on SLURM
    do."""
    create = plugin.Executor.__post_init__
    if getattr(create, "patches", False):
        return

    def create_patched(executor: Any, *args: Any, **options: Any) -> None:
        patch_plugin()
        create(executor, *args, **options)

    create_patched.patches = True  # type: ignore[attr-defined]
    plugin.Executor.__post_init__ = create_patched


def patch_plugin() -> None:
    """Apply all patches, once a process. Raises RuntimeError at another version."""
    found = version(PACKAGE)
    if not f"{found}.".startswith(f"{PATCHED_VERSION}."):
        raise RuntimeError(
            f"{PACKAGE} {found} is installed, and this workflow's patches are for "
            f"{PATCHED_VERSION}: install the locked version (`make install`)"
        )
    if plugin.Executor.get_job_args is args_with_wait_file:
        return
    plugin.Executor.get_job_args = args_with_wait_file
    plugin.Executor.format_job_exec = escape_shell(plugin.Executor.format_job_exec)
    plugin.query_job_status = tolerate_silent_query(plugin.query_job_status)
    plugin.get_min_job_age = cache_last_answer(plugin.get_min_job_age)
    # The plugin reports a fault before submission, such as an account that is not the
    # user's, with the job's rule. A group of jobs has no rule: the report would fail,
    # and Snakemake would wait for the job without end.
    GroupJob.rule = property(lambda group: min(group.jobs, key=str).rule)


def args_with_wait_file(executor: Any, job: Any) -> str:
    """A job's arguments, with the names of the files that it waits for in a file.

    Reason: the plugin puts up to twenty names between single quotes and does not escape
    the quotes in them.
    """
    arguments = RealExecutor.get_job_args(executor, job)
    shared = executor.workflow.storage_settings.shared_fs_usage
    if SharedFSUsage.INPUT_OUTPUT not in shared:
        return arguments
    file = Path(f"{executor.get_jobscript(job)}.waitforfilesfile.txt")
    names = [executor.tmpdir, *job.get_wait_for_files()]
    file.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return f"{arguments} --wait-for-files-file {shlex.quote(str(file))}"


def escape_shell(format_job: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """A job's command, escaped for the double quotes that the plugin puts it into.

    Reason: the plugin escapes double quotes alone. A `$(...)` in a file name would be
    executed on the host that submits the job.
    """

    def format_escaped(executor: Any, job: Any) -> str:
        command = format_job(executor, job)
        if executor.workflow.executor_settings.pass_command_as_script:
            return command  # no shell reads it before the job's own
        return re.sub(r"([\\$`])", r"\\\1", command)

    return format_escaped


def tolerate_silent_query(query: Query) -> Query:
    """The query for the states of jobs, which never fails and never waits without end.

    Reasons: if SLURM does not answer, the plugin drops all jobs; here no state is
    reported, so that the plugin asks again. Where preempted jobs are cancelled
    (PreemptMode=CANCEL), the plugin waits for them without end; here a job that is
    preempted for MAX_PREEMPTED_SECONDS has failed.
    """
    since: dict[str, float] = {}  # when a job was first seen to be preempted

    async def query_tolerantly(*arguments: Any) -> tuple[States, float]:
        found, seconds = await query(*arguments)
        states = found or {}
        now = time.monotonic()
        preempted = {job for job, state in states.items() if state == "PREEMPTED"}
        for job in since.keys() - preempted:
            del since[job]
        for job in preempted:
            if now - since.setdefault(job, now) > MAX_PREEMPTED_SECONDS:
                states[job] = "FAILED"
        return states, seconds or 0.0

    return query_tolerantly


def cache_last_answer(ask: Callable[[], int | None]) -> Callable[[], int | None]:
    """A question about SLURM's configuration; a failure repeats the last answer.

    Reason: the plugin takes a failed question for another configuration.
    """
    known: int | None = None

    def ask_or_repeat() -> int | None:
        nonlocal known
        answer = ask()
        known = known if answer is None else answer
        return known

    return ask_or_repeat
