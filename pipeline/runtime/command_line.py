"""What every step's command line shares: arguments, logging, readable failures."""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.runtime.allocation import described, in_slurm
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


def parse(
    description: str | None, files: Iterable[str] = (), texts: Iterable[str] = ()
) -> argparse.Namespace:
    """Parse a step's arguments, all of them needed.

    `files` become Paths, or lists of Paths where the name ends in `*`; `texts` stay
    strings (a name, or a section of the configuration as JSON).
    """
    parser = argparse.ArgumentParser(description=description)
    for name in files:
        many = name.endswith("*")
        parser.add_argument(
            f"--{name.rstrip('*')}",
            type=Path,
            required=True,
            nargs="+" if many else None,
        )
    for name in texts:
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def run(main: Callable[[], None]) -> None:
    """Run a step. A fault that the user can mend ends it with its message alone."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    if in_slurm():
        log.info(described())
    # What OpenCV spreads its work over; the others' pools have what Snakemake sets.
    if "OMP_NUM_THREADS" in os.environ:
        os.environ["OPENCV_FOR_THREADS_NUM"] = os.environ["OMP_NUM_THREADS"]
    try:
        main()
    except StepError as error:
        log.error("error: %s", error)
        sys.exit(1)
    except Exception as error:
        # Also what libraries make of a failed write: HDF5 raises RuntimeError.
        remedy = _remedy(error)
        if remedy is None:
            raise
        log.error("error: %s. %s", error, remedy)
        sys.exit(1)


def _remedy(error: Exception) -> str | None:
    """What to do about a failed write; None where it is something else.

    Libraries give its errno only in the message.
    """
    remedies = {
        errno.ENOSPC: "The disk is full: free space, or set `results` to a folder on "
        "another disk, and run the same command again; finished work is kept.",
        errno.EDQUOT: "Your quota is used up: free space, or set `results` to another "
        "folder, and run the same command again; finished work is kept.",
        errno.EACCES: "Change its permissions, or set `results` to another folder.",
        errno.EROFS: "Set `results` to a folder on a disk that is not read-only.",
    }
    for number, remedy in remedies.items():
        told = os.strerror(number) in str(error)
        if told or getattr(error, "errno", None) == number:
            return remedy
    return None
