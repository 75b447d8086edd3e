"""The text at the end of a run: its main results, and where to find the rest."""

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from pipeline.config.protocols import detector_title
from pipeline.files.tables import read_csv
from pipeline.videos.shard_table import read_table


def summarize(results: Path, shards: Collection[str]) -> str:
    """Summarize the run in the folder `results` in a few lines.

    `shards` are the names of its shards. Shards of other configurations are ignored.
    """
    lines = []
    file = results / "metrics" / "videos.csv"
    if file.is_file():
        table = read_csv(file)
        auc = table[table["metric"] == "auc"]
        key = ["model", "protocol", "dataset", "compression"]
        for (model, protocol, *test_set), part in auc.groupby(key, sort=False):
            lines.append(
                f"{detector_title(model, protocol)}, tested on {' '.join(test_set)}: "
                f"video AUC {_auc_values(part)}"
            )
    leaks = results / "videos" / "leaks.csv"
    if leaks.is_file():
        count = pd.read_csv(leaks)["what"].nunique()
        if count:
            lines.append(
                f"{count} recordings or people are in more than one split: see {leaks}"
            )
    tables = [read_table(file) for file in _shard_tables(results, shards)]
    problems = ["problem", "mask_problem"]
    missing = sum(int((table[problems] != "").any(axis=1).sum()) for table in tables)
    if missing:
        lines.append(
            f"{missing} videos or masks could not be obtained: see `problem` and "
            f"`mask_problem` in the tables in {results / 'videos'}; to try again, "
            "delete those tables and run again"
        )
    folders = {
        "report/index.html": "start here: one page with everything",
        "atlases": "heatmap atlases and galleries for each detector",
        "attributions": "the attribution map of every explained frame",
        "metrics": "metrics and figures, the logit of every frame and video; start "
        "with overview.md",
        "models": "weights, training curves and a model card for each detector",
        "faces/summary.csv": "the status of every video",
    }
    for name, what in folders.items():
        if (results / name).exists():
            lines.append(f"{results / name}: {what}")
    return "\n".join(lines)


def report_command(results: Path, config_files: Sequence[Path]) -> str:
    """How to make the report of a run that failed.

    `config_files` are those that the run was started with.
    """
    run, page = results / "report" / "run.json", results / "report" / "index.html"
    words = ["python", "-m", "pipeline.build_report", "--run", run, "--page", page]
    command = shlex.join(map(str, [*words, "--workers", 2]))
    words = ["snakemake", "describe_run", "--cores", 1]
    words += ["--configfile", *config_files] if config_files else []
    command = f"{shlex.join(map(str, words))} && {command}"
    return f"To see on one page what there is, and what failed:\n    {command}"


def _shard_tables(results: Path, shards: Collection[str]) -> list[Path]:
    """The tables of these shards that exist, in the order of the shards' names."""
    files = [results / "videos" / f"{shard}.csv" for shard in sorted(shards)]
    return [file for file in files if file.is_file()]


def _auc_values(auc: pd.DataFrame) -> str:
    """The AUC over all methods with its interval, and the AUC of each method."""
    total = auc[auc["method"] == "all"].iloc[0]
    each = ", ".join(
        f"{row.method} {row.value:.3f}"
        for row in auc[auc["method"] != "all"].itertuples()
    )
    known = pd.notna(total.low) and pd.notna(total.high)
    between = f"95 % interval {total.low:.3f} to {total.high:.3f}"
    return f"{total.value:.3f} ({between if known else 'no interval'}; {each})"
