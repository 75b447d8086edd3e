"""Fetch RetinaFace's weights once, with a checksum (rule `fetch_detector`).

Runs where Snakemake runs, since compute nodes often have no network.
"""

import json
import logging
from pathlib import Path

from retinaface.model.retinaface_pth_model import WEIGHTS_URLS

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import take_checksums, write_checksums
from pipeline.files.weights import read_weights
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.errors import StepError
from pipeline.videos.download.http import Unavailable, download
from pipeline.videos.download.partial_file import Hooks

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(__doc__, files=["weights", "checksum"], texts=["addresses", "config"])
    config = FetchConfig.model_validate_json(args.config)
    problems = []
    for url in json.loads(args.addresses) or WEIGHTS_URLS:
        try:
            download(url, args.weights, config, hooks=Hooks(check=weights_fault))
            break
        except Unavailable as error:
            problems.append(f"{url}: {error}")
    else:
        raise StepError(
            "RetinaFace's weights cannot be had:\n  " + "\n  ".join(problems) + "\n"
            "Fetch them elsewhere and give the file as faces.retinaface_weights."
        )
    sums = take_checksums(args.weights.parent, [args.weights.name])
    write_checksums(sums, args.checksum)
    log.info("RetinaFace's weights: SHA-256 %s", *sums.values())


def weights_fault(file: Path) -> str:
    """What is wrong with a file as one of weights, "" if nothing."""
    try:
        read_weights(file)
    except StepError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    run(main)
