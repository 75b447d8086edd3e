"""Render a shard of the miniature corpus (rule `render_videos`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.sources import SourcesConfig
from pipeline.runtime.command_line import run
from pipeline.runtime.progress import progress
from pipeline.videos.listing import list_shard
from pipeline.videos.miniature.corpus import render_sequence


@dataclass(frozen=True)
class Arguments:
    shard: str
    source: SourcesConfig  # with the miniature corpus alone


def main(args: Arguments) -> None:
    config = args.source.miniature
    assert config is not None
    rows = list_shard(args.source, args.shard)
    # `render_sequence` writes all compressions of a video: one of its rows is enough.
    rows = rows.drop_duplicates(["method", "target", "source"])
    rows = rows.sort_values("target")  # a scene is filmed once for all of its fakes
    for _, row in progress(rows.iterrows(), len(rows), "render", "videos"):
        render_sequence(row, config, Path(config.root))


if __name__ == "__main__":
    run(main, Arguments)
