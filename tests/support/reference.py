"""The reference run: a small run of everything, made once for a state of the code.

It is kept in `build/reference/`, where later calls of pytest find it.
"""

import hashlib
import shutil
import sys
import time
from pathlib import Path

import yaml
from filelock import FileLock

from tests.support.runs import REPOSITORY, SMALL, Run

KEPT = REPOSITORY / "build" / "reference"
# All that decides what a run of a given configuration computes.
CODE = ("Snakefile", "requirements.lock", "config/*.yaml")
CODE += ("pipeline/**/*", "workflow/**/*", "profiles/**/*")
DAY = 86_400.0  # s


def state(repository: Path = REPOSITORY) -> str:
    """A hash of the small configuration, of this Python, and of the code's bytes."""
    found = hashlib.sha256(yaml.safe_dump(SMALL).encode())
    found.update(f"{sys.version} {sys.prefix}".encode())
    for pattern in CODE:
        for file in sorted(repository.glob(pattern)):
            if file.is_file() and file.suffix != ".pyc":
                found.update(f"\0{file.relative_to(repository)}\0".encode())
                found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def reference_run() -> Run:
    """The run, which is made unless it is kept; it must not be changed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    name = state()
    with FileLock(KEPT / "lock"):
        done = KEPT / name / "done"
        if not done.exists():
            shutil.rmtree(KEPT / name, ignore_errors=True)
            _forget_old()
            Run(KEPT / name / "run").configure().snakemake("all")
        done.touch()
    return Run(KEPT / name / "run")


def _forget_old() -> None:
    """Remove the runs of other states that nobody has used for a day."""
    for done in KEPT.glob("*/done"):
        if time.time() - done.stat().st_mtime > DAY:
            shutil.rmtree(done.parent)
