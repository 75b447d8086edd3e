"""Fetch RetinaFace's weights and their checksum (rule `fetch_face_detector`).

This step runs on the machine where Snakemake runs, because compute nodes often have no
network.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from retinaface.model.retinaface_pth_model import WEIGHTS_URLS

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import take_checksums, write_checksums
from pipeline.files.weights import read_weights
from pipeline.runtime.command_line import Json, run
from pipeline.runtime.errors import StepError
from pipeline.videos.download.http import Unavailable, download
from pipeline.videos.download.partial_file import Hooks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    weights: Path
    checksum: Path
    addresses: Annotated[list[str], Json]  # empty: those in the retina-face package
    config: FetchConfig


def main(args: Arguments) -> None:
    fetch_weights(args.addresses or WEIGHTS_URLS, args.weights, args.config)
    sums = take_checksums(args.weights.parent, [args.weights.name])
    write_checksums(sums, args.checksum)
    log.info("RetinaFace's weights: SHA-256 %s", sums[args.weights.name])


def fetch_weights(addresses: Sequence[str], file: Path, config: FetchConfig) -> None:
    """Fetch `file` from the first address that has it; StepError if none has it."""
    problems = []
    for address in addresses:
        try:
            download(address, file, config, hooks=Hooks(check=weights_fault))
            return
        except Unavailable as error:
            problems.append(f"  {address}: {error}")
    raise StepError(
        "\n".join(["RetinaFace's weights could not be fetched:", *problems]) + "\n"
        "Download them in another way and set faces.retinaface_weights to the file."
    )


def weights_fault(file: Path) -> str:
    """Why a file cannot be read as weights; "" if it can."""
    try:
        read_weights(file)
    except StepError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    run(main, Arguments)
