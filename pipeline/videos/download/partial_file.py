"""A file that is being downloaded, and what is needed to resume it.

The received bytes are in `.<name>.part`. The file `.<name>.part.json` beside it holds
the address, the server's validator and the length of the complete file.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

log = logging.getLogger(__name__)

LOCK_INTERVAL = 1.0  # s between two attempts to lock a file


@dataclass(frozen=True)
class ResumeState:
    """The server and the file that the bytes of a partial file come from.

    Attributes:
        url: the address; "" where it is unknown.
        validator: the server's ETag or date of modification. "" where the server gives
            neither: then the download cannot be resumed.
        total: length of the complete file in bytes, None where it is unknown.
    """

    url: str
    validator: str = ""
    total: int | None = None


@dataclass(frozen=True)
class Hooks:
    """Functions of the caller that a download calls.

    Attributes:
        check: returns what is wrong with a complete file, "" if nothing is.
        on_bytes: gets the number of bytes that were just received.
        on_verified: gets the SHA-256 of a valid file before the file gets its name.
        sleep: waits for some seconds; may raise an exception to end the download.
    """

    check: Callable[[Path], str] = lambda file: ""
    on_bytes: Callable[[int], None] = lambda count: None
    on_verified: Callable[[str], None] = lambda digest: None
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def open_locked(part: Path, hooks: Hooks) -> Iterator[BinaryIO]:
    """Open a partial file for appending, and lock it against other processes.

    An empty partial file is removed afterwards. Without locks in the file system,
    nothing prevents two runs from writing to the same file.
    """
    while True:
        with open(part, "ab", buffering=0) as file:
            _wait_for_lock(file, part, hooks)
            if not _is_at(file, part):  # another run has renamed or removed it
                continue
            try:
                yield file
            finally:
                if _is_at(file, part) and not file_size(file):
                    part.unlink()
                    resume_path(part).unlink(missing_ok=True)
            return


def _wait_for_lock(file: BinaryIO, part: Path, hooks: Hooks) -> None:
    """Lock an open file; closing it unlocks it.

    The partial file itself is locked, not a lock file beside it: lock files would stay
    in the user's data folder, one for each video.
    """
    waits = False
    while not _try_lock(file):
        if not waits:
            log.info("%s: another run fetches it; waiting", part)
        waits = True
        hooks.sleep(LOCK_INTERVAL)


def _try_lock(file: BinaryIO) -> bool:
    """Lock an open file unless another process has; True without locks."""
    try:
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError:  # the file system has no locks
        return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def file_size(file: BinaryIO) -> int:
    """Size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def append_all(file: BinaryIO, data: bytes) -> None:
    """Write all of `data`: an unbuffered file may accept only a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def restart(part: Path, file: BinaryIO) -> None:
    """Discard the received bytes."""
    resume_path(part).unlink(missing_ok=True)
    file.truncate(0)


def resume_path(part: Path) -> Path:
    """Where the resume state of a partial file is kept."""
    return part.with_name(f"{part.name}.json")


def read_resume_state(part: Path) -> ResumeState:
    """The resume state of a partial file; an empty one if none can be read."""
    try:
        return ResumeState(**json.loads(resume_path(part).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return ResumeState("")


def write_resume_state(part: Path, state: ResumeState) -> None:
    """Write the resume state of a partial file beside it."""
    resume_path(part).write_text(json.dumps(asdict(state)), encoding="utf-8")
