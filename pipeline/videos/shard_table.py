"""The table of a shard: its videos, with what their files are."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

NUMBERS = {"label": int, "bytes": int}  # all other columns are text


def read_table(path: Path) -> pd.DataFrame:
    """A table of videos, `videos/index.csv` or `videos/<shard>.csv`, as written."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    kinds = {name: NUMBERS.get(name, str) for name in table.columns}
    return table.astype(kinds)


def rows_of_shard(index: Path, shard: str) -> pd.DataFrame:
    """The rows of one shard in `videos/index.csv`, in its order."""
    table = read_table(index)
    return table[table["shard"] == shard]


def files_of(videos: pd.DataFrame) -> list[str]:
    """Paths of the videos and masks in a table, each once, in a fixed order."""
    return sorted({*videos["path"], *videos["mask"]} - {""})


def shard_table(
    rows: pd.DataFrame,
    root: Path,
    sums: Mapping[str, str],
    problems: Mapping[str, str],
) -> pd.DataFrame:
    """The content of `videos/<shard>.csv`: the rows, with what their files are.

    `sums` gives the SHA-256 of files, and `problems` the reason why a file could not be
    obtained, by path. Added columns: bytes and sha256 (0 and "" for a missing file),
    problem and mask_problem ("" where there is none).
    """
    paths, masks = rows["path"], rows["mask"]
    return rows.drop(columns=["known_sha256", "left_out", "shard"]).assign(
        bytes=[(root / p).stat().st_size if p in sums else 0 for p in paths],
        sha256=[sums.get(p, "") for p in paths],
        problem=[problems.get(path, "") for path in paths],
        mask_problem=[problems.get(mask, "") for mask in masks],
    )
