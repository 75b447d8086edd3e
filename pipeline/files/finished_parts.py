"""What a step has finished so far: a killed step goes on from there.

An HDF5 file whose writer was killed may be beyond reading, so that the parts of a shard
are kept beside it, a file each, until all are there.
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

OF = "of"  # the file that says which work the parts are of


class FinishedParts:
    """The finished parts of a step, by name; each is a set of arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self.folder / f"{digest}.npz"

    def __contains__(self, name: str) -> bool:
        return self._file(name).is_file()

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a part, in one go: a kill leaves the ones before."""
        with replacing(self._file(name)) as part:
            np.savez(part, **arrays)

    def load(self, name: str) -> dict[str, np.ndarray]:
        """A part that was saved. Raises OSError or ValueError if it cannot be read."""
        with np.load(self._file(name), allow_pickle=False) as arrays:
            return dict(arrays)


@contextmanager
def finished_parts(output: Path, work: str) -> Iterator[FinishedParts]:
    """The parts of `output` that earlier tries have finished; removed at the end.

    After an error they stay. `work` says what the output is made from and how: parts of
    other work, and broken ones, are removed at the start.
    """
    folder = output.with_name(f".{output.stem}.parts")
    of = folder / OF
    if folder.is_dir() and (not of.is_file() or of.read_text() != work):
        log.info("%s is of other files or settings: nothing is taken from it", folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(of) as part:
        part.write_text(work)
    kept = _remove_broken(folder)
    if kept:
        log.info("going on after %d finished parts in %s", kept, folder)
    yield FinishedParts(folder)
    shutil.rmtree(folder)


def _remove_broken(folder: Path) -> int:
    """How many parts there are, once those are gone that a crash has left broken."""
    kept = 0
    for file in folder.iterdir():
        if file.name == OF:
            continue
        whole = not file.name.startswith(".") and zipfile.is_zipfile(file)
        kept += whole
        if not whole:
            file.unlink()
    return kept
