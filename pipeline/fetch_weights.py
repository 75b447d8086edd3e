"""Fetch a network's pre-trained weights and their checksum (rule `fetch_weights`).

This step runs on the machine where Snakemake runs, because compute nodes often have no
network.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import timm
from safetensors.torch import save_file

from pipeline.files.atomic import replacing
from pipeline.files.checksums import take_checksums, write_checksums
from pipeline.runtime.command_line import run
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    network: str
    weights: Path
    checksum: Path


def main(args: Arguments) -> None:
    try:
        network = timm.create_model(args.network, pretrained=True)
    except Exception as error:  # timm, huggingface_hub, httpx, urllib or torch
        raise StepError(
            f"the weights of {args.network} could not be fetched ({error}). Download "
            "them in another way and set this model's `pretrained` to the file."
        ) from error
    tensors = {k: v.contiguous() for k, v in network.state_dict().items()}
    with replacing(args.weights) as part:
        save_file(tensors, part)
    sums = take_checksums(args.weights.parent, [args.weights.name])
    write_checksums(sums, args.checksum)
    log.info("weights of %s: SHA-256 %s", args.network, sums[args.weights.name])


if __name__ == "__main__":
    run(main, Arguments)
