"""The command line of every step: typed arguments, logging, readable failures."""

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pipeline.runtime.allocation import described, in_slurm
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)

Parsed = TypeVar("Parsed")  # the dataclass of a step's arguments


class Json:
    """Marks an argument that is given as JSON, as in `Annotated[list[str], Json]`."""


def parse(arguments: type[Parsed], words: Sequence[str] | None = None) -> Parsed:
    """Parse the command line; `words` replaces the words of this process.

    Every field of the dataclass `arguments` is a required flag of the same name. The
    docstring of its module is the help text. A field has one of these types:

    - str, int, float or Path;
    - `Path | None`: an empty string gives None;
    - a class with `model_validate_json`: a section of the configuration as JSON;
    - `Annotated[..., Json]`: JSON, whose content is not checked;
    - a list of Paths, strings or numbers: the flag takes one or more values;
    - `tuple[Path, ...]`, or of strings or numbers: it takes any number of values, also
      none.

    A wrong command line ends the process with status 2 and a message on stderr; the
    message about a wrong value names the flag.
    """
    description = sys.modules[arguments.__module__].__doc__
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    for name, kind in get_type_hints(arguments, include_extras=True).items():
        number = {list: "+", tuple: "*"}.get(get_origin(kind))
        parser.add_argument(
            f"--{name}",
            type=_converter(get_args(kind)[0] if number else kind),
            nargs=number,
            required=True,
        )
    given = vars(parser.parse_args(words))
    for name, kind in get_type_hints(arguments).items():
        if get_origin(kind) is tuple:
            given[name] = tuple(given[name])
    return arguments(**given)


def _converter(kind: Any) -> Callable[[str], Any]:
    """The function that makes a value of type `kind` from a word."""
    read: Callable[[str], Any]
    if get_origin(kind) is Annotated and Json in get_args(kind):
        read = json.loads
    elif hasattr(kind, "model_validate_json"):
        read = kind.model_validate_json
    elif kind == Path | None:
        read = _path_or_none
    elif kind in (str, int, float, Path):
        read = kind
    else:
        raise TypeError(f"{kind} is not a type of an argument")

    def convert(word: str) -> Any:
        try:
            return read(word)
        except ValueError as error:  # also pydantic's and json's errors
            # argparse shows the message of this error alone, after the flag.
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _path_or_none(word: str) -> Path | None:
    return Path(word) if word else None


def run(main: Callable[[Parsed], None], arguments: type[Parsed]) -> None:
    """Parse a step's arguments and run it.

    A failure that the user can repair ends the process with status 1 and its message,
    without a traceback.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    parsed = parse(arguments)
    if in_slurm():
        log.info(described())
    # OpenCV reads its own variable; other libraries read those that Snakemake sets.
    if "OMP_NUM_THREADS" in os.environ:
        os.environ["OPENCV_FOR_THREADS_NUM"] = os.environ["OMP_NUM_THREADS"]
    try:
        main(parsed)
    except StepError as error:
        log.error("error: %s", error)
        sys.exit(1)
    except Exception as error:
        # A library may raise another type for a failed write: HDF5 raises RuntimeError.
        remedy = _remedy(error)
        if remedy is None:
            raise
        log.error("error: %s. %s", error, remedy)
        sys.exit(1)


def _remedy(error: Exception) -> str | None:
    """What the user can do about a failed write; None for any other error.

    Some libraries give the error number only in the message.
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
        in_message = os.strerror(number) in str(error)
        if in_message or getattr(error, "errno", None) == number:
            return remedy
    return None
