"""List a shard's videos and take their checksums (rule `checksum_videos`)."""

import logging
from pathlib import Path

from pipeline.files.checksums import ChecksumError, take_checksums, write_checksums
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run
from pipeline.videos.shard_table import files_of, rows_of_shard, shard_table

log = logging.getLogger(__name__)


def main() -> None:
    files = ["index", "root", "table", "checksums"]
    args = parse(__doc__, files=files, texts=["shard"])
    rows, root = rows_of_shard(args.index, args.shard), args.root
    sums = take_checksums(root, files_of(rows))
    check_known(dict(zip(rows["path"], rows["known_sha256"], strict=True)), sums, root)
    write_checksums(sums, args.checksums)
    absent = dict.fromkeys({*files_of(rows)} - {*sums}, "there is no such file")
    table = shard_table(rows, root, sums, absent)
    write_csv(table, args.table)
    size = table["bytes"].sum()
    log.info("%d videos, %d files, %d bytes", len(table), len(sums), size)


def check_known(known: dict[str, str], sums: dict[str, str], root: Path) -> None:
    """Raise ChecksumError that names the files which are not what they should be."""
    given = {name: digest for name, digest in known.items() if digest}
    wrong = [n for n, digest in given.items() if sums.get(n, digest) != digest]
    if wrong:
        told = "\n".join(f"  {root / n}: {sums[n]}, not {given[n]}" for n in wrong)
        raise ChecksumError(
            f"the SHA-256 of {len(wrong)} files is not the one in the table:\n{told}\n"
            "Get these files again, or correct the table."
        )


if __name__ == "__main__":
    run(main)
