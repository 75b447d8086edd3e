"""Save and load trained detectors."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.files.atomic import replacing
from pipeline.models.header import FORMAT, METADATA_KEY, VERSION, read_header
from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network
from pipeline.runtime.errors import StepError


def save_detector(
    detector: ForgeryDetector, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Write a detector's weights as safetensors.

    The header says how to build the network, which input it needs, and what it was
    trained on (`provenance`, which must be serialisable as JSON).
    """
    spec = detector.spec
    header = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(spec),
        "output": "one logit, positive for fake",
        "provenance": dict(provenance),
    }
    tensors = {
        name: tensor.contiguous().cpu()
        for name, tensor in detector.network.state_dict().items()
    }
    with replacing(path) as part:
        # A single key, because safetensors writes several keys in a random order.
        save_file(tensors, part, metadata={METADATA_KEY: json.dumps(header)})


def load_detector(path: Path, device: torch.device) -> ForgeryDetector:
    """Load a trained detector, frozen and in evaluation mode, on `device`.

    Raises StepError if `path` is not a file that `save_detector` wrote, or if its
    weights do not fit the network of the installed timm.
    """
    header = read_header(path)
    mean, std = tuple(header["mean"]), tuple(header["std"])
    spec = NetworkSpec(header["timm"], header["input_size"], mean, std)
    detector = ForgeryDetector(create_network(spec.timm, spec.input_size), spec)
    try:
        detector.network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise StepError(
            f"{path}: its weights do not fit the network {spec.timm} of timm "
            f"{version('timm')} ({error}); install the version that is in its header, "
            "or give another file"
        ) from error
    detector.to(device).to(memory_format=torch.channels_last)
    return detector.eval().requires_grad_(False)
