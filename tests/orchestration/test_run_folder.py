"""One run at a time in a folder; looking is allowed."""

import pytest
from snakemake.cli import get_argument_parser

from pipeline.orchestration.run_folder import (
    INSTEAD,
    enter_folder,
    runs_nothing,
    share_folder,
)


def test_while_a_run_waits_for_jobs_no_other_starts(tmp_path):
    """Others may look; once it shares the folder, Snakemake's lock is what counts."""
    assert enter_folder(tmp_path)
    with pytest.raises(OSError, match="is starting, or waits for SLURM jobs"):
        enter_folder(tmp_path)
    assert not enter_folder(tmp_path, looks_only=True)
    lock = tmp_path / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir()
    lock.touch()
    share_folder()
    assert not enter_folder(tmp_path)
    assert lock.exists()


def test_what_runs_nothing_is_told_by_snakemakes_own_options():
    assert get_argument_parser()._option_string_actions.keys() >= INSTEAD
    assert runs_nothing(["snakemake", "--unlock", "--cores", "1"])
    assert runs_nothing(["snakemake", "all", "--report=a.html"])
    assert not runs_nothing(["snakemake", "all", "--cores", "8", "--forceall"])
