"""The patches of the SLURM plugin, tested with the plugin's own functions."""

import asyncio
import logging
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.job_status_query import query_job_status
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import SharedFSUsage

import pipeline.orchestration.slurm_plugin as patches
from pipeline.orchestration.slurm_plugin import (
    args_with_wait_file,
    cache_last_answer,
    escape_shell,
    patch_plugin,
    tolerate_silent_query,
)

log = logging.getLogger(__name__)


def states(query, command: str) -> dict[str, str]:
    found, seconds = asyncio.run(query(command, log))
    assert seconds >= 0
    return found


def run_python(code: str) -> None:
    """Run code in its own process, because patches last as long as a process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_states_are_passed_on():
    query = tolerate_silent_query(query_job_status)
    found = states(query, "printf '%s\\n' '7|RUNNING' '8|PREEMPTED'")
    assert found == {"7": "RUNNING", "8": "PREEMPTED"}


@pytest.mark.parametrize("command", ["false", "no-such-command"])
def test_without_an_answer_no_state_is_reported(command):
    assert states(tolerate_silent_query(query_job_status), command) == {}


def test_a_job_that_stays_preempted_has_failed(monkeypatch):
    monkeypatch.setattr(patches, "MAX_PREEMPTED_SECONDS", 0.0)
    query, preempted = tolerate_silent_query(query_job_status), "echo '8|PREEMPTED'"
    assert states(query, preempted) == {"8": "PREEMPTED"}
    assert states(query, preempted) == {"8": "FAILED"}
    assert states(query, "echo '8|PENDING'") == {"8": "PENDING"}  # queued again
    assert states(query, preempted) == {"8": "PREEMPTED"}


def test_a_failed_question_repeats_the_last_answer():
    answers = iter([None, 300, None, 60, None])
    ask = cache_last_answer(lambda: next(answers))
    assert [ask() for _ in range(5)] == [None, 300, 300, 60, 60]


@pytest.mark.parametrize("text", ["'a $(touch x).mp4'", r"`b` \\$c\" '", "plain 'it'"])
def test_a_command_is_unchanged_by_the_plugins_quotes(text, tmp_path):
    settings = SimpleNamespace(pass_command_as_script=False)
    workflow = SimpleNamespace(executor_settings=settings)
    command = escape_shell(lambda executor, job: text)
    quoted = command(SimpleNamespace(workflow=workflow), None).replace('"', '\\"')
    done = subprocess.run(
        f'printf %s "{quoted}"', shell=True, cwd=tmp_path, capture_output=True
    )
    assert done.stdout.decode() == text
    assert not list(tmp_path.iterdir())


def test_a_command_that_is_passed_as_a_script_is_not_escaped():
    settings = SimpleNamespace(pass_command_as_script=True)
    workflow = SimpleNamespace(executor_settings=settings)
    command = escape_shell(lambda executor, job: "echo $HOME")
    assert command(SimpleNamespace(workflow=workflow), None) == "echo $HOME"


def job_arguments(usage, folder, monkeypatch) -> list[str]:
    """The arguments of a job that waits for a file with a quote in its name."""
    monkeypatch.setattr(RealExecutor, "get_job_args", lambda executor, job: "--jobs 1")
    settings = SimpleNamespace(shared_fs_usage=usage)
    executor = SimpleNamespace(
        workflow=SimpleNamespace(storage_settings=settings),
        get_jobscript=lambda job: str(folder / "a job's script.sh"),
        tmpdir=str(folder),
    )
    job = SimpleNamespace(get_wait_for_files=lambda: ["it's.mp4"])
    return shlex.split(args_with_wait_file(executor, job))


def test_names_to_wait_for_are_written_to_a_file(tmp_path, monkeypatch):
    usage = frozenset({SharedFSUsage.INPUT_OUTPUT})
    *arguments, option, file = job_arguments(usage, tmp_path, monkeypatch)
    assert [*arguments, option] == ["--jobs", "1", "--wait-for-files-file"]
    assert Path(file).read_text().splitlines() == [str(tmp_path), "it's.mp4"]


def test_without_a_shared_file_system_there_is_no_wait_file(tmp_path, monkeypatch):
    assert job_arguments(frozenset(), tmp_path, monkeypatch) == ["--jobs", "1"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("found", ["2.7.9", "2.80.0", "2.9", "3.0.0"])
def test_another_version_of_the_plugin_is_refused(found, monkeypatch):
    monkeypatch.setattr(patches, "version", lambda package: found)
    original = plugin.query_job_status
    with pytest.raises(RuntimeError, match=f"slurm {found} is installed.*are for 2.8"):
        patch_plugin()
    assert plugin.query_job_status is original
    assert plugin.Executor.get_job_args is not args_with_wait_file


PATCHED = """
import snakemake_executor_plugin_slurm as plugin
from pipeline.orchestration import slurm_plugin as patches

def functions():
    executor = plugin.Executor
    return [executor.get_job_args, executor.format_job_exec, plugin.query_job_status,
            plugin.get_min_job_age]

before = functions()
"""


def test_the_patched_functions_exist_and_are_patched_once():
    run_python(
        PATCHED + "patches.patch_plugin()\n"
        "after = functions()\n"
        "assert all(a is not b for a, b in zip(after, before))\n"
        "patches.patch_plugin()\n"
        "assert functions() == after\n"
    )


def test_nothing_is_patched_before_an_executor_is_created():
    run_python(
        PATCHED + "created = []\n"
        "plugin.Executor.__post_init__ = lambda executor, *args: created.append(args)\n"
        "patches.patch_when_used()\n"
        "patches.patch_when_used()  # a Snakefile may be parsed twice\n"
        "assert functions() == before and not created\n"
        "executor = object.__new__(plugin.Executor)\n"
        "executor.__post_init__('argument')\n"
        "assert created == [('argument',)]\n"
        "assert all(a is not b for a, b in zip(functions(), before))\n"
    )


def test_a_run_on_another_version_fails_when_its_executor_is_created():
    run_python(
        PATCHED + "patches.version = lambda package: '2.9.0'\n"
        "patches.patch_when_used()\n"
        "executor = object.__new__(plugin.Executor)\n"
        "try:\n"
        "    executor.__post_init__()\n"
        "except RuntimeError as error:\n"
        "    assert '2.9.0 is installed' in str(error), error\n"
        "else:\n"
        "    raise AssertionError('not refused')\n"
        "assert functions() == before\n"
    )
