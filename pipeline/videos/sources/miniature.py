"""The videos of the miniature corpus, in the layout of FaceForensics++."""

import pandas as pd

from pipeline.config.miniature import MiniatureConfig
from pipeline.videos.sources.faceforensics import list_pairs
from pipeline.videos.table import SPLITS


def list_videos(config: MiniatureConfig, name: str) -> pd.DataFrame:
    """List the videos of all drawn persons; columns as in `table.COLUMNS`."""
    pairs = miniature_pairs(config)
    return list_pairs(pairs, config.methods, config.compressions, dataset=name)


def miniature_pairs(config: MiniatureConfig) -> dict[str, list[tuple[str, str]]]:
    """The pairs of drawn persons of each split; person k is the sequence `00k`."""
    counts = (config.train_pairs, config.val_pairs, config.test_pairs)
    starts = (0, counts[0], counts[0] + counts[1])
    return {
        split: [(f"{2 * k:03d}", f"{2 * k + 1:03d}") for k in range(start, start + n)]
        for split, start, n in zip(SPLITS, starts, counts, strict=True)
    }
