"""SHA-256 of files, in the format that `sha256sum -c` of coreutils checks."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.files.atomic import replacing
from pipeline.runtime.errors import StepError


class ChecksumError(StepError):
    """A file has changed since its checksum was taken, or a checksum is damaged."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_checksums(root: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files below `root`; the keys are their names, sorted.

    A file that does not exist or cannot be read is left out.
    """
    digests = {name: _readable_sha256(root / name) for name in sorted(set(names))}
    return {name: digest for name, digest in digests.items() if digest}


def write_checksums(sums: Mapping[str, str], output: Path) -> None:
    """Write checksums, keyed by name; `cd ROOT && sha256sum -c OUTPUT` checks them."""
    with replacing(output) as part:
        lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
        part.write_text("".join(lines), encoding="utf-8")


def read_checksums(file: Path, may_end_torn: bool = False) -> dict[str, str]:
    """SHA-256 by name, from a file that `write_checksums` wrote.

    Raises ChecksumError if a line is incomplete. With `may_end_torn`, a last line
    without a line end is ignored.
    """
    sums = {}
    lines = file.read_bytes().split(b"\n")
    if may_end_torn:
        lines = lines[:-1]
    for number, line in enumerate((line.decode() for line in lines), 1):
        digest, separator, name = line.partition("  ")
        if separator and len(digest) == 64:
            sums[name] = digest
        elif line:
            raise ChecksumError(f"{file}: line {number} is not a checksum; remove it")
    return sums


def verify(root: Path, name: str, sums: dict[str, str]) -> None:
    """Raise ChecksumError if the file `name` below `root` differs from its checksum.

    A file without a checksum must not exist.
    """
    expected, path = sums.get(name), root / name
    found = _readable_sha256(path)
    if expected == found:
        return
    change = "is gone" if found is None else "is new" if expected is None else "changed"
    raise ChecksumError(
        f"{path} {change} since its checksum was taken. If the change is intended, "
        "touch the file and run Snakemake again: all results that use it are made "
        "again. For a downloaded file, first remove its line from SHA256SUMS, and "
        "delete the table of its shard in `videos/`. If the change is not intended, "
        "restore the file."
    )


def _readable_sha256(path: Path) -> str | None:
    """As `file_sha256`; None if there is no such file or it may not be read."""
    try:
        return file_sha256(path) if path.is_file() else None
    except PermissionError:
        return None
