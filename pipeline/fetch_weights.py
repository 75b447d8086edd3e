"""Fetch a network's pre-trained weights once, with a checksum (rule `fetch_weights`).

Runs where Snakemake runs, since compute nodes often have no network.
"""

import logging

import timm
from safetensors.torch import save_file

from pipeline.files.atomic import replacing
from pipeline.files.checksums import take_checksums, write_checksums
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(__doc__, files=["weights", "checksum"], texts=["network"])
    try:
        network = timm.create_model(args.network, pretrained=True)
    except Exception as error:  # of timm, huggingface_hub, httpx, urllib, torch
        raise StepError(
            f"the pre-trained weights of {args.network} cannot be had ({error}); fetch "
            "them elsewhere and give the file as this model's `pretrained`"
        ) from error
    tensors = {k: v.contiguous() for k, v in network.state_dict().items()}
    with replacing(args.weights) as part:
        save_file(tensors, part)
    sums = take_checksums(args.weights.parent, [args.weights.name])
    write_checksums(sums, args.checksum)
    log.info("weights of %s: SHA-256 %s", args.network, *sums.values())


if __name__ == "__main__":
    run(main)
