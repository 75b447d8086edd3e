"""The table of a shard: its videos, with what their files are."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd


def files_of(videos: pd.DataFrame) -> list[str]:
    """Paths of the videos and masks in a table, each once, in a fixed order."""
    return sorted({*videos["path"], *videos["mask"]} - {""})


def shard_table(
    rows: pd.DataFrame,
    root: Path,
    sums: Mapping[str, str],
    problems: Mapping[str, str],
) -> pd.DataFrame:
    """What `videos/<shard>.csv` says: the rows, with what their files are.

    Added: bytes, sha256 (0 and "" for a file that is not there) and problem, which is
    why a video or its mask cannot be had, "" if it is not known or not so.
    """
    paths, masks = rows["path"], rows["mask"]
    of_mask = {name: f"its mask: {why}" for name, why in problems.items()}
    return rows.drop(columns=["known_sha256", "left_out", "shard"]).assign(
        bytes=[(root / p).stat().st_size if p in sums else 0 for p in paths],
        sha256=[sums.get(p, "") for p in paths],
        problem=[
            problems.get(path) or of_mask.get(mask, "")
            for path, mask in zip(paths, masks, strict=True)
        ],
    )
