"""List a shard's videos and compute their checksums (rule `checksum_videos`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.sources import SourcesConfig
from pipeline.files.checksums import ChecksumError, take_checksums, write_checksums
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run
from pipeline.videos.listing import list_shard
from pipeline.videos.shard_table import files_of, shard_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    shard: str
    source: SourcesConfig  # with the shard's source alone
    table: Path
    checksums: Path


def main(args: Arguments) -> None:
    (source,) = args.source.by_name().values()
    rows, root = list_shard(args.source, args.shard), Path(source.root)
    sums = take_checksums(root, files_of(rows))
    check_known(dict(zip(rows["path"], rows["known_sha256"], strict=True)), sums, root)
    write_checksums(sums, args.checksums)
    missing = dict.fromkeys({*files_of(rows)} - {*sums}, "there is no such file")
    table = shard_table(rows, root, sums, missing)
    write_csv(table, args.table)
    size = table["bytes"].sum()
    log.info("%d videos, %d files, %d bytes of videos", len(table), len(sums), size)


def check_known(known: dict[str, str], sums: dict[str, str], root: Path) -> None:
    """Compare checksums with those in the table of a source.

    Args:
        known: SHA-256 in the table, by path; "" if the table does not give it.
        sums: SHA-256 of the files on disk, by path.
        root: the folder that the paths are below.

    Raises:
        ChecksumError: names the files that differ.
    """
    expected = {name: digest for name, digest in known.items() if digest}
    wrong = [n for n, digest in expected.items() if sums.get(n, digest) != digest]
    if wrong:
        listed = "\n".join(f"  {root / n}: {sums[n]}, not {expected[n]}" for n in wrong)
        raise ChecksumError(
            f"the SHA-256 of {len(wrong)} files differs from the table:\n{listed}\n"
            "Download these files again, or correct the table."
        )


if __name__ == "__main__":
    run(main, Arguments)
