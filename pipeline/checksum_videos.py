"""List a shard's videos and take their checksums (rule `checksum_videos`)."""

from pathlib import Path

from pipeline.atomic import write_csv
from pipeline.checksums import write_checksums
from pipeline.command_line import log, parse, run
from pipeline.config.videos import VideosConfig
from pipeline.videos import list_videos


def main() -> None:
    args = parse(__doc__, files=["table", "checksums"], texts=["shard", "config"])
    config = VideosConfig.model_validate_json(args.config)
    table = list_videos(config)
    table = table[table.shard == args.shard].drop(columns="shard")
    root = Path(config.root)
    names = [name for name in [*table.path, *table["mask"]] if name]
    sums = write_checksums(root, sorted(set(names)), args.checksums)
    sizes = [(root / p).stat().st_size if p in sums else 0 for p in table.path]
    table = table.assign(bytes=sizes, sha256=[sums.get(p, "") for p in table.path])
    write_csv(table, args.table)
    log.info("%d videos, %d files, %d bytes", len(table), len(sums), sum(sizes))


if __name__ == "__main__":
    run(main)
