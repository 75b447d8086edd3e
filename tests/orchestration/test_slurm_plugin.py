"""What is mended of the SLURM plugin: its own functions, asked through ours."""

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.job_status_query import query_job_status

import pipeline.orchestration.slurm_plugin
from pipeline.orchestration.slurm_plugin import answered, literal, remembered
from pipeline.runtime.command_line import log


def states(ask, command: str) -> dict[str, str]:
    found, seconds = asyncio.run(ask(command, log))
    assert seconds >= 0
    return found


def test_states_are_passed_on():
    ask = answered(query_job_status)
    found = states(ask, "printf '%s\\n' '7|RUNNING' '8|PREEMPTED'")
    assert found == {"7": "RUNNING", "8": "PREEMPTED"}


@pytest.mark.parametrize("command", ["false", "no-such-command"])
def test_without_an_answer_no_job_is_told_of(command):
    assert states(answered(query_job_status), command) == {}


def test_a_preempted_job_that_is_not_queued_again_has_failed(monkeypatch):
    monkeypatch.setattr(pipeline.orchestration.slurm_plugin, "PREEMPTED", 0.0)
    ask, told = answered(query_job_status), "echo '8|PREEMPTED'"
    assert states(ask, told) == {"8": "PREEMPTED"}
    assert states(ask, told) == {"8": "FAILED"}
    assert states(ask, "echo '8|PENDING'") == {"8": "PENDING"}  # queued again after all
    assert states(ask, told) == {"8": "PREEMPTED"}


def test_an_answer_outlives_a_failure():
    answers = iter([None, 300, None, 60, None])
    ask = remembered(lambda: next(answers))
    assert [ask() for _ in range(5)] == [None, 300, 300, 60, 60]


@pytest.mark.parametrize("text", ["'a $(touch x).mp4'", r"`b` \\$c\" '", "plain 'it'"])
def test_a_command_comes_through_the_plugins_quotes_as_it_is(text, tmp_path):
    settings = SimpleNamespace(pass_command_as_script=False)
    workflow = SimpleNamespace(executor_settings=settings)
    command = literal(lambda executor, job: text)
    quoted = command(SimpleNamespace(workflow=workflow), None).replace('"', '\\"')
    done = subprocess.run(
        f'printf %s "{quoted}"', shell=True, cwd=tmp_path, capture_output=True
    )
    assert done.stdout.decode() == text
    assert not list(tmp_path.iterdir())


def test_what_is_exchanged_is_there():
    """In a process of its own: the exchange is for good."""
    code = (
        "import snakemake_executor_plugin_slurm as plugin\n"
        "names = ['query_job_status', 'get_min_job_age']\n"
        "before = [getattr(plugin, name) for name in names]\n"
        "from pipeline.orchestration.slurm_plugin import mend_plugin\n"
        "mend_plugin()\n"
        "assert all(getattr(plugin, n) is not b for n, b in zip(names, before))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert plugin.Executor.format_job_exec.__name__ == "format_job_exec"
