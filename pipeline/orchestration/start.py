"""What a start of Snakemake does before it plans: check, list, and take the folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.check import check_config
from pipeline.config.run import RunConfig
from pipeline.orchestration.finished_detectors import check_finished
from pipeline.orchestration.protocol_check import check_protocols
from pipeline.orchestration.run_folder import check_writable, enter_folder, share_folder
from pipeline.orchestration.slurm_jobs import wait_for_orphaned_jobs
from pipeline.videos.download.lists import fetch_lists
from pipeline.videos.listing import list_videos
from pipeline.videos.table import used

CODE_VERSIONS = Path(".snakemake/code_versions.json")  # in the run's folder


def checked_run(
    raw: Mapping[str, Any], files: Sequence[str | Path], may_fetch: bool
) -> tuple[RunConfig, pd.DataFrame]:
    """The checked configuration, and the table of all videos that its sources list.

    With `may_fetch`, lists of videos that are missing are fetched; lists that are on
    disk are never fetched. Raises ValueError with the faults, one a line.
    """
    config = check_config(raw, files)
    check_finished(config, files)
    if may_fetch:
        fetch_lists(config.sources, config.fetch)
    listed = list_videos(config.sources)
    check_protocols(config, used(listed), files)
    return config, listed


def take_folder(results: Path, only_looks: bool) -> None:
    """Take the current folder for this run, and wait for SLURM jobs of a killed run.

    A run that only looks, such as a dry run, neither refuses other runs nor waits.
    Raises OSError or QueueSilent, each with the remedy.
    """
    check_writable(results)
    alone = enter_folder(Path.cwd(), only_looks)
    if alone and not only_looks:
        wait_for_orphaned_jobs(Path.cwd())
    share_folder()
