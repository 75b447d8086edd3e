"""Render a shard of the miniature corpus (rule `render_videos`)."""

from pathlib import Path

from pipeline.config.sources import SourcesConfig
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.progress import progress
from pipeline.videos.listing import list_shard
from pipeline.videos.miniature.corpus import render_sequence


def main() -> None:
    args = parse(__doc__, texts=["shard", "source"])
    sources = SourcesConfig.model_validate_json(args.source)
    config = sources.miniature
    assert config is not None
    rows = list_shard(sources, args.shard)
    rows = rows.drop_duplicates(["method", "target", "source"])  # compressions
    for _, row in progress(rows.iterrows(), len(rows), "render", "videos"):
        render_sequence(row, config, Path(config.root))


if __name__ == "__main__":
    run(main)
