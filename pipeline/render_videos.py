"""Render a shard of the miniature corpus (rule `render_videos`)."""

from pathlib import Path

from pipeline.command_line import parse, run
from pipeline.config.videos import VideosConfig
from pipeline.miniature.corpus import render_sequence
from pipeline.progress import progress
from pipeline.videos import list_videos


def main() -> None:
    args = parse(__doc__, texts=["shard", "config"])
    config = VideosConfig.model_validate_json(args.config)
    table = list_videos(config)
    rows = table[table.shard == args.shard]
    rows = rows.drop_duplicates(["method", "target", "source"])  # compressions
    for _, row in progress(rows.iterrows(), len(rows), "render", "videos"):
        render_sequence(row, config.miniature, Path(config.root))


if __name__ == "__main__":
    run(main)
