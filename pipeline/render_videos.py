"""Render a shard of the miniature corpus (rule `render_videos`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.miniature import MiniatureConfig
from pipeline.runtime.command_line import run
from pipeline.runtime.progress import progress
from pipeline.videos.miniature.corpus import render_sequence
from pipeline.videos.shard_table import rows_of_shard


@dataclass(frozen=True)
class Arguments:
    index: Path
    shard: str
    root: Path
    config: MiniatureConfig


def main(args: Arguments) -> None:
    rows = rows_of_shard(args.index, args.shard)
    # `render_sequence` writes all compressions of a video: one of its rows is enough.
    rows = rows.drop_duplicates(["method", "target", "source"])
    for _, row in progress(rows.iterrows(), len(rows), "render", "videos"):
        render_sequence(row, args.config, args.root)


if __name__ == "__main__":
    run(main, Arguments)
