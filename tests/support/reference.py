"""The reference run: a small run of all targets, made once for each state of the code.

It is stored in `build/reference/`, so that later calls of pytest reuse it.
"""

import hashlib
import shutil
import sys
import time
from pathlib import Path

import yaml
from filelock import FileLock

from tests.support.runs import REPOSITORY, SMALL, Run

RUNS_FOLDER = REPOSITORY / "build" / "reference"
# For a given configuration, these files determine the results of a run.
CODE_PATTERNS = ("Snakefile", "requirements*.lock", "config/*.yaml")
CODE_PATTERNS += ("pipeline/**/*", "profiles/**/*")
CODE_PATTERNS += ("workflow/rules/*", "workflow/resources/*")
MAX_UNUSED_AGE = 86_400.0  # s


def state(repository: Path = REPOSITORY) -> str:
    """A hash of the small configuration, the Python version, and the code."""
    found = hashlib.sha256(yaml.safe_dump(SMALL).encode())
    found.update(f"{sys.version} {sys.prefix}".encode())
    for pattern in CODE_PATTERNS:
        for file in sorted(repository.glob(pattern)):
            if file.is_file() and file.suffix != ".pyc":
                found.update(f"\0{file.relative_to(repository)}\0".encode())
                found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def reference_run() -> Run:
    """Make the run unless it is stored. Tests copy it and do not change it."""
    RUNS_FOLDER.mkdir(parents=True, exist_ok=True)
    name = state()
    with FileLock(RUNS_FOLDER / "lock"):
        done = RUNS_FOLDER / name / "done"
        if not done.exists():
            shutil.rmtree(RUNS_FOLDER / name, ignore_errors=True)
            _remove_old_runs()
            Run(RUNS_FOLDER / name / "run").configure().snakemake("all")
        done.touch()
    return Run(RUNS_FOLDER / name / "run")


def _remove_old_runs() -> None:
    """Remove runs that were last used longer than MAX_UNUSED_AGE ago."""
    for done in RUNS_FOLDER.glob("*/done"):
        if time.time() - done.stat().st_mtime > MAX_UNUSED_AGE:
            shutil.rmtree(done.parent)
