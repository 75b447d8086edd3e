"""A file that is being downloaded, and the note beside it.

The bytes that were received are in `.<name>.part`. The note `.<name>.part.json` holds
the address, the server's validator and the length of the complete file.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Note:
    """What a partial file is part of."""

    url: str
    validator: str = ""  # "" where the server gives none: then nothing can go on
    total: int | None = None  # bytes


@dataclass(frozen=True)
class Hooks:
    """What a download asks of its caller, and tells."""

    check: Callable[[Path], str] = lambda file: ""  # what is wrong with a whole file
    count: Callable[[int], None] = lambda come: None  # bytes, as they come
    note: Callable[[str], None] = lambda digest: None  # before the file has its name
    sleep: Callable[[float], object] = time.sleep  # s; may raise, to end it all


@contextmanager
def locked(part: Path, hooks: Hooks) -> Iterator[BinaryIO]:
    """The partial file, open for appending, and for no other process meanwhile.

    Where the file system has no locks, nothing keeps two runs apart.
    """
    while True:
        with open(part, "ab", buffering=0) as file:
            _wait_for_lock(file, part, hooks)
            if not _is_at(file, part):  # another run has finished or removed it
                continue
            try:
                yield file
            finally:
                if _is_at(file, part) and not file_size(file):
                    part.unlink()
                    note_path(part).unlink(missing_ok=True)
            return


def _wait_for_lock(file: BinaryIO, part: Path, hooks: Hooks) -> None:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                log.info("%s: another run fetches it; waiting", part)
            told = True
            hooks.sleep(1.0)
        except OSError:  # of a file system without locks
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def file_size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def append_all(file: BinaryIO, data: bytes) -> None:
    """Write all of it: a nearly full disk takes a part and tells of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def restart(part: Path, file: BinaryIO) -> None:
    note_path(part).unlink(missing_ok=True)
    file.truncate(0)


def note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def read_note(part: Path) -> Note:
    """The note beside a partial file; an empty one where there is none, or half."""
    try:
        return Note(**json.loads(note_path(part).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Note("")


def write_note(part: Path, note: Note) -> None:
    note_path(part).write_text(json.dumps(asdict(note)), encoding="utf-8")
