"""The finished parts of a step, from which a killed step resumes.

An HDF5 file may be unreadable if its writer was killed. Therefore each part of a shard
is kept in a file of its own, next to the shard, until the shard is complete.
"""

import hashlib
import logging
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.files.atomic import replacing

log = logging.getLogger(__name__)

WORK_FILE = "of"  # name of the file that describes the work


class FinishedParts:
    """The finished parts of a step. Each has a name and consists of named arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self.folder / f"{digest}.npz"

    def __contains__(self, name: str) -> bool:
        return self._file(name).is_file()

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a part atomically. A kill leaves the earlier parts intact."""
        with replacing(self._file(name)) as part:
            np.savez(part, **arrays)  # type: ignore[arg-type]  # no array is "allow_pickle"

    def load(self, name: str) -> dict[str, np.ndarray]:
        """Read a part. Raises OSError or ValueError if it cannot be read."""
        with np.load(self._file(name), allow_pickle=False) as arrays:
            return dict(arrays)


@contextmanager
def finished_parts(output: Path, work: str) -> Iterator[FinishedParts]:
    """Yield the parts of `output` that earlier attempts have finished.

    The parts are deleted on success and kept after an exception. `work` describes the
    inputs and settings of the output. Parts of other work and damaged parts are deleted
    at the start.
    """
    folder = output.with_name(f".{output.stem}.parts")
    work_file = folder / WORK_FILE
    if folder.is_dir() and (not work_file.is_file() or work_file.read_text() != work):
        log.info("%s is from other files or settings and is deleted", folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(work_file) as part:
        part.write_text(work)
    kept = _remove_damaged(folder)
    if kept:
        log.info("going on after %d finished parts in %s", kept, folder)
    yield FinishedParts(folder)
    shutil.rmtree(folder)


def _remove_damaged(folder: Path) -> int:
    """Delete parts that a crash left incomplete. Returns the number of others."""
    kept = 0
    for file in folder.iterdir():
        if file.name == WORK_FILE:
            continue
        complete = not file.name.startswith(".") and zipfile.is_zipfile(file)
        kept += complete
        if not complete:
            file.unlink()
    return kept
