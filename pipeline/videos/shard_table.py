"""The table of a shard: its videos, with the size and checksum of their files."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

INTEGER_COLUMNS = {"label": int, "bytes": int}  # all other columns are text


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of videos, `videos/index.csv` or `videos/<shard>.csv`."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    dtypes = {name: INTEGER_COLUMNS.get(name, str) for name in table.columns}
    return table.astype(dtypes)


def files_of(videos: pd.DataFrame) -> list[str]:
    """Paths of all videos and masks in a table, sorted and without duplicates."""
    return sorted({*videos["path"], *videos["mask"], *videos["subject_mask"]} - {""})


def shard_table(
    rows: pd.DataFrame,
    root: Path,
    sums: Mapping[str, str],
    problems: Mapping[str, str],
) -> pd.DataFrame:
    """The content of `videos/<shard>.csv`: the rows, and what is known of their files.

    `sums` gives the SHA-256 of files by path, and `problems` the reason why a file is
    missing or unusable. Adds the columns bytes and sha256 (0 and "" for a missing
    file), problem and mask_problem ("" if there is none).
    """
    paths, masks = rows["path"], rows["mask"]
    return rows.drop(columns=["known_sha256", "left_out", "shard"]).assign(
        bytes=[(root / p).stat().st_size if p in sums else 0 for p in paths],
        sha256=[sums.get(p, "") for p in paths],
        problem=[problems.get(path, "") for path in paths],
        mask_problem=[problems.get(mask, "") for mask in masks],
    )
