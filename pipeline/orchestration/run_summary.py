"""What a finished run says: the figures in a few lines, and where to look."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from pipeline.files.tables import read_csv
from pipeline.videos.shard_table import read_table


def summarize(results: Path, shards: Collection[str]) -> str:
    """A short text about the run in `results`, whose shards have these names."""
    lines = []
    file = results / "metrics" / "videos.csv"
    if file.is_file():
        table = read_csv(file)
        auc = table[table["metric"] == "auc"]
        key = ["model", "protocol", "dataset", "compression"]
        for (model, protocol, *place), part in auc.groupby(key, sort=False):
            lines.append(
                f"{model}, trained on {protocol}, tested on {' '.join(place)}: video "
                f"AUC {_values(part)}"
            )
    leaks = results / "videos" / "leaks.csv"
    if leaks.is_file():
        count = pd.read_csv(leaks)["what"].nunique()
        told = f"{count} recordings or people are in more than one split: see {leaks}"
        lines += [told] if count else []
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
        "atlases": "heatmap atlases and galleries of each detector",
        "attributions": "the attribution map of every explained frame",
        "metrics": "metrics and figures, the logit of every frame and video; start "
        "with overview.md",
        "models": "weights, training curves and a card of each detector",
        "faces/summary.csv": "what became of every video",
    }
    for name, what in folders.items():
        if (results / name).exists():
            lines.append(f"{results / name}: {what}")
    return "\n".join(lines)


def _shard_tables(results: Path, shards: Collection[str]) -> list[Path]:
    """Their tables: those of other configurations may lie beside them."""
    files = [results / "videos" / f"{shard}.csv" for shard in sorted(shards)]
    return [file for file in files if file.is_file()]


def _values(auc: pd.DataFrame) -> str:
    whole = auc[auc["method"] == "all"].iloc[0]
    each = ", ".join(
        f"{row.method} {row.value:.3f}"
        for row in auc[auc["method"] != "all"].itertuples()
    )
    return (
        f"{whole.value:.3f} (95 % interval {whole.low:.3f} to {whole.high:.3f}; {each})"
    )
