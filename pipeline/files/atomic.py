"""Write files so that a killed process leaves no file that looks complete."""

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`. Rename it to `path` on success.

    After an exception the temporary file is deleted and `path` is unchanged. The
    temporary path has the suffix of `path`, because libraries choose a format by it.
    Then the temporary files of `path` that killed processes left behind are deleted,
    if they were last modified before this call.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs on two nodes of a cluster may have the same process id.
    process = f"{os.uname().nodename}.{os.getpid()}"
    part = path.with_name(f".{path.stem}.{process}.part{path.suffix}")
    start_time = time.time()
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        _remove_left_behind(path, start_time)
    finally:
        part.unlink(missing_ok=True)


def _remove_left_behind(path: Path, before: float) -> None:
    """Delete temporary files of `path` that were last modified before a time (s)."""
    prefix, suffix = f".{path.stem}.", f".part{path.suffix}"
    for part in path.parent.glob(f"{glob.escape(prefix)}*{glob.escape(suffix)}"):
        with suppress(FileNotFoundError):  # another process deleted it
            if part.stat().st_mtime < before:
                part.unlink()
