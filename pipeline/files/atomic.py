"""Write files so that a killed process leaves nothing that looks finished."""

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; rename it to `path` at the end.

    After an error, what was written is removed and `path` stays as it was. The suffix
    is kept, since libraries choose a format by it. What killed processes had begun of
    `path` is removed once it is there: what nobody has written to meanwhile.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs on two nodes of a cluster may have the same process number.
    process = f"{os.uname().nodename}.{os.getpid()}"
    part = path.with_name(f".{path.stem}.{process}.part{path.suffix}")
    began = time.time()
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        _remove_left_overs(path, began)
    finally:
        part.unlink(missing_ok=True)


def _remove_left_overs(path: Path, since: float) -> None:
    """Parts of `path` that were last written to before that time (s)."""
    start, end = f".{path.stem}.", f".part{path.suffix}"
    for part in path.parent.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        with suppress(FileNotFoundError):  # another process was faster
            if part.stat().st_mtime < since:
                part.unlink()
