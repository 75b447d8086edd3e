"""SHA-256 of videos, in the format that coreutils' `sha256sum -c` checks."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.files.atomic import replacing
from pipeline.runtime.errors import StepError


class ChecksumError(StepError):
    """A file that is not what it was when its checksum was taken."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_checksums(root: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 by name of files below `root`, in the order of names.

    A file that is not there, or cannot be read, has none.
    """
    taken = {name: _readable_sha256(root / name) for name in sorted(set(names))}
    return {name: digest for name, digest in taken.items() if digest}


def write_checksums(sums: Mapping[str, str], output: Path) -> None:
    """Write checksums by name; `cd ROOT && sha256sum -c OUTPUT` checks them."""
    with replacing(output) as part:
        lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
        part.write_text("".join(lines), encoding="utf-8")


def read_checksums(file: Path, may_end_torn: bool = False) -> dict[str, str]:
    """SHA-256 by name, as `write_checksums` wrote them; ChecksumError if it is torn.

    With `may_end_torn`, a last line that has no end is none.
    """
    sums = {}
    lines = file.read_bytes().split(b"\n")
    if may_end_torn:
        lines = lines[:-1]
    for number, line in enumerate((line.decode() for line in lines), 1):
        digest, mark, name = line.partition("  ")
        if mark and len(digest) == 64:
            sums[name] = digest
        elif line:
            raise ChecksumError(f"{file}: line {number} is no checksum; remove it")
    return sums


def verify(root: Path, name: str, sums: dict[str, str]) -> None:
    """Raise ChecksumError if the file `name` below `root` is not what it was."""
    known, path = sums.get(name), root / name
    found = _readable_sha256(path)
    if known == found:
        return
    change = "is gone" if found is None else "is new" if known is None else "changed"
    raise ChecksumError(
        f"{path} {change} since its checksum was taken. If that was meant, touch the "
        "file (for a fetched one: remove its line from SHA256SUMS, and delete its "
        "shard's table in `videos/`) and run Snakemake again, and all that rests on it "
        "is made anew; if not, restore it."
    )


def _readable_sha256(path: Path) -> str | None:
    """As `file_sha256`; None for what is no file, or may not be read."""
    try:
        return file_sha256(path) if path.is_file() else None
    except PermissionError:
        return None
