"""Assign each video to a shard."""

import pandas as pd

from pipeline.config.source import ShardsConfig
from pipeline.config.sources import SourcesConfig
from pipeline.statistics.seeds import stable_number


def assign_shards(table: pd.DataFrame, shards: ShardsConfig) -> pd.DataFrame:
    """Add the column `shard`, such as `celebdf-test-001`; "" for a video without split.

    The shard depends only on the video's id without the compression, so that a sequence
    is in the same shard in every compression.
    """
    counts = shards.model_dump()
    rows = zip(table["video"], table["dataset"], table["split"], strict=True)
    return table.assign(
        shard=[
            f"{dataset}-{split}-{_shard_number(video, counts[split]):03d}"
            if split
            else ""
            for video, dataset, split in rows
        ]
    )


def _shard_number(video: str, count: int) -> int:
    dataset, _, name = video.split("/", 2)
    return stable_number(f"{dataset}/{name}") % count


def shard_names(sources: SourcesConfig, split: str) -> list[str]:
    """Names of a split's shards; some of them may have no video."""
    return [
        f"{name}-{split}-{number:03d}"
        for name, source in sources.by_name().items()
        if source.use == "all" or split == "test"
        for number in range(source.shards.model_dump()[split])
    ]


def dataset_of(shard: str) -> str:
    """Name of the data set, which is the name of the source, of a shard."""
    return shard.rsplit("-", 2)[0]
