"""Only one run at a time works in a folder; dry runs may look at any time."""

import pytest
from snakemake.cli import get_argument_parser

from pipeline.orchestration.run_folder import (
    NO_RUN_FLAGS,
    enter_folder,
    runs_nothing,
    share_folder,
)


def test_while_a_run_waits_for_jobs_no_other_run_starts(tmp_path):
    """Other runs may look. Once the folder is shared, Snakemake's own lock counts."""
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


def test_flags_that_run_nothing_are_flags_of_snakemake():
    assert get_argument_parser()._option_string_actions.keys() >= NO_RUN_FLAGS
    assert runs_nothing(["snakemake", "--unlock", "--cores", "1"])
    assert runs_nothing(["snakemake", "all", "--report=a.html"])
    assert not runs_nothing(["snakemake", "--report", "a.zip", "--report-after-run"])
    assert not runs_nothing(["snakemake", "all", "--cores", "8", "--forceall"])
