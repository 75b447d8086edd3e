"""The table of videos: what a source lists, and which shard each video is in."""

import hashlib
from pathlib import Path

import pandas as pd

from pipeline import faceforensics
from pipeline.config.videos import MiniatureConfig, VideosConfig


def list_videos(config: VideosConfig) -> pd.DataFrame:
    """The videos that a run uses, one row each: `faceforensics.list_videos`' columns
    and `shard`. Rests on names alone: no video is opened.

    Raises ValueError where a split has no real or no fake video.
    """
    if config.source == "miniature":
        pairs = miniature_pairs(config.miniature)
        _check_methods(config.methods)
    else:
        assert config.splits is not None
        pairs = faceforensics.read_splits(Path(config.splits))
    pairs = {split: listed[: config.pairs] for split, listed in pairs.items()}
    table = faceforensics.list_videos(
        pairs, config.methods, config.compressions, config.source
    )
    _check_splits(table)
    return assign_shards(table, config)


def miniature_pairs(config: MiniatureConfig) -> dict[str, list[tuple[str, str]]]:
    """The pairs of drawn persons in each split; person k is sequence `00k`."""
    counts = (config.train_pairs, config.val_pairs, config.test_pairs)
    starts = (0, counts[0], counts[0] + counts[1])
    return {
        split: [(f"{2 * k:03d}", f"{2 * k + 1:03d}") for k in range(start, start + n)]
        for split, start, n in zip(faceforensics.SPLITS, starts, counts, strict=True)
    }


def assign_shards(table: pd.DataFrame, config: VideosConfig) -> pd.DataFrame:
    """Add the column `shard`, e.g. `test-001`: a pure function of each video's id.

    The compression is left out of it, so that a sequence is in one shard in all.
    """
    counts = config.shards.model_dump()

    def shard(row: pd.Series) -> str:
        name = f"{row.dataset}/{row.method}/{row.target}_{row.source}"
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return f"{row.split}-{number % counts[row.split]:03d}"

    return table.assign(shard=table.apply(shard, axis=1))


def shard_names(config: VideosConfig, split: str) -> list[str]:
    """Names of a split's shards, whether or not any video falls into them."""
    return [f"{split}-{n:03d}" for n in range(config.shards.model_dump()[split])]


def _check_methods(methods: list[str]) -> None:
    known = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    for method in methods:
        if method not in known:
            raise ValueError(
                f"videos.methods: the miniature corpus has no method {method!r}; it "
                f"has {', '.join(known)}"
            )


def _check_splits(table: pd.DataFrame) -> None:
    for split in faceforensics.SPLITS:
        labels = set(table.label[table.split == split])
        for label, kind in ((0, "real"), (1, "fake")):
            if label not in labels:
                raise ValueError(
                    f"the split {split!r} has no {kind} video; every split needs real "
                    "and fake ones: look at videos.splits, videos.pairs and "
                    "videos.methods"
                )
