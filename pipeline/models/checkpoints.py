"""Save and load trained detectors."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.files.atomic import replacing
from pipeline.models.header import FORMAT, HEADER, VERSION, read_header
from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network


def save_detector(
    detector: ForgeryDetector, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Write weights as safetensors; the header tells how to build and feed them."""
    spec = detector.spec
    header = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(spec),
        "output": "one logit, positive for fake",
        "provenance": dict(provenance),
    }
    tensors = {
        k: v.contiguous().cpu() for k, v in detector.network.state_dict().items()
    }
    with replacing(path) as part:
        # One key: safetensors writes several in an order of its own, another each time.
        save_file(tensors, part, metadata={HEADER: json.dumps(header)})


def load_detector(path: Path, device: torch.device) -> ForgeryDetector:
    """A trained detector, frozen and in evaluation mode, on `device`."""
    header = read_header(path)
    mean, std = tuple(header["mean"]), tuple(header["std"])
    spec = NetworkSpec(header["timm"], header["input_size"], mean, std)
    detector = ForgeryDetector(create_network(spec.timm, spec.input_size), spec)
    detector.network.load_state_dict(load_file(path))
    detector.to(device, memory_format=torch.channels_last)
    return detector.eval().requires_grad_(False)
