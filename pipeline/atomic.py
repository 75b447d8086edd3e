"""Write files so that a killed process leaves nothing that looks finished."""

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

FORGOTTEN = 24 * 3600  # s


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; rename it to `path` at the end.

    After an error, what was written is removed and `path` stays as it was. The suffix
    is kept, since libraries choose a format by it. What a killed process left of `path`
    is removed first: at once if it ran on this machine, else a day later.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs on two nodes of a cluster may have the same process number.
    process = f"{os.uname().nodename}.{os.getpid()}"
    part = path.with_name(f".{path.stem}.{process}.part{path.suffix}")
    _remove_left_overs(path)
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _remove_left_overs(path: Path) -> None:
    """Parts of `path` that nobody writes to any more."""
    start, end = f".{path.stem}.", f".part{path.suffix}"
    for part in path.parent.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        node, _, process = part.name[len(start) : -len(end)].rpartition(".")
        with suppress(FileNotFoundError):  # another process was faster
            if node == os.uname().nodename:
                over = not _runs(int(process))
            else:
                over = time.time() - part.stat().st_mtime > FORGOTTEN
            if over:
                part.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its index; floats in the shortest form that reads back."""
    with replacing(path) as part:
        table.to_csv(part, index=False)
