"""Render a shard of the miniature corpus (rule `render_videos`)."""

from pipeline.config.miniature import MiniatureConfig
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.progress import progress
from pipeline.videos.miniature.corpus import render_sequence
from pipeline.videos.shard_table import rows_of_shard


def main() -> None:
    args = parse(__doc__, files=["index", "root"], texts=["shard", "config"])
    config = MiniatureConfig.model_validate_json(args.config)
    rows = rows_of_shard(args.index, args.shard)
    rows = rows.drop_duplicates(["method", "target", "source"])  # compressions
    for _, row in progress(rows.iterrows(), len(rows), "render", "videos"):
        render_sequence(row, config, args.root)


if __name__ == "__main__":
    run(main)
