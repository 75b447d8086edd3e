"""SHA-256 of videos, in the format that coreutils' `sha256sum -c` checks."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.atomic import replacing
from pipeline.errors import StepError


class ChecksumError(StepError):
    """A file that is not what it was when its checksum was taken."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(root: Path, names: Iterable[str], output: Path) -> dict[str, str]:
    """Write the checksums of files below `root`; return them by name.

    A file that is not there, or cannot be read, gets no line. Check with
    `cd ROOT && sha256sum -c OUTPUT`.
    """
    taken = {name: _readable_sha256(root / name) for name in names}
    sums = {name: digest for name, digest in taken.items() if digest}
    with replacing(output) as part:
        part.write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    return sums


def read_checksums(file: Path) -> dict[str, str]:
    """File names and their checksums, as `write_checksums` wrote them."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def verify(root: Path, name: str, sums: dict[str, str]) -> None:
    """Raise ChecksumError if the file `name` below `root` is not what it was."""
    known, path = sums.get(name), root / name
    found = _readable_sha256(path)
    if known == found:
        return
    change = "is gone" if found is None else "is new" if known is None else "changed"
    raise ChecksumError(
        f"{path} {change} since its checksum was taken. If that was meant, touch the "
        "file and run Snakemake again, and all that rests on it is made anew; if not, "
        "restore it."
    )


def _readable_sha256(path: Path) -> str | None:
    """As `file_sha256`; None for what is no file, or may not be read."""
    try:
        return file_sha256(path) if path.is_file() else None
    except PermissionError:
        return None
