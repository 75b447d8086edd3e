"""Forgery detectors: timm networks with one output, the logit of "fake"."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.atomic import replacing
from pipeline.errors import StepError
from pipeline.weights import read_weights

FORMAT, VERSION = "deepfake-atlas detector", 1
HEADER = "deepfake-atlas"  # the key of the file's metadata that holds a JSON object


@dataclass(frozen=True)
class NetworkSpec:
    """What it takes to build a detector's network and feed it."""

    timm: str
    input_size: int  # px
    mean: tuple[float, float, float]  # of RGB in 0..1, as timm's weights expect it
    std: tuple[float, float, float]


class ForgeryDetector(nn.Module):
    """A network behind its own pre-processing.

    Takes (B, 3, H, W) float RGB in 0..1, of any size; gives (B,) logits, positive for
    fake. Resizing and normalisation are part of it, so that gradients reach pixels.
    """

    def __init__(self, network: nn.Module, spec: NetworkSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of images (B, 3, H, W)."""
        side = self.spec.input_size
        if images.shape[-2:] != (side, side):
            images = nn.functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True
            )
        normalised = (images - self.mean) / self.std
        return self.network(normalised).squeeze(1)


def build_detector(
    name: str, input_size: int, pretrained: bool | str
) -> ForgeryDetector:
    """A detector to train: timm's network `name` with a new one-logit head.

    `pretrained`: False for random weights, True for timm's, or the path of a file.
    Raises StepError where weights do not fit or cannot be had.
    """
    network = _create(name, input_size, pretrained is True)
    if isinstance(pretrained, str):
        _load_backbone(network, Path(pretrained))
    data = timm.data.resolve_data_config({}, model=network)
    spec = NetworkSpec(name, input_size, tuple(data["mean"]), tuple(data["std"]))
    return ForgeryDetector(network, spec)


def _create(name: str, input_size: int, pretrained: bool) -> nn.Module:
    fixed = timm.get_pretrained_cfg(name)
    size = {"img_size": input_size} if fixed and fixed.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=1, **size)
    except Exception as error:
        if not pretrained:
            raise
        raise StepError(
            f"the pre-trained weights of {name} cannot be had ({error}); download them "
            "and give the file as `pretrained`, or train with `pretrained: false`"
        ) from error


def _load_backbone(network: nn.Module, file: Path) -> None:
    """Load all weights whose names and shapes fit; the head may be missing."""
    own = network.state_dict()
    given = {
        key.removeprefix("module.").removeprefix("network."): value
        for key, value in read_weights(file).items()
    }
    fit = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    named = network.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{n}." for n in ((named,) if isinstance(named, str) else named))
    missing = [k for k in own if k not in fit and not k.startswith(heads)]
    if missing:
        raise StepError(
            f"{file}: does not fit this network: {len(missing)} of {len(own)} tensors "
            f"are missing or of another shape, the first is {missing[0]}"
        )
    network.load_state_dict(fit, strict=False)


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
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (OSError, SafetensorError) as error:
        raise StepError(f"{path}: is no safetensors file ({error})") from error
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise StepError(f"{path}: was not written by this version of train_model")
    mean, std = tuple(header["mean"]), tuple(header["std"])
    spec = NetworkSpec(header["timm"], header["input_size"], mean, std)
    detector = ForgeryDetector(_create(spec.timm, spec.input_size, False), spec)
    detector.network.load_state_dict(load_file(path))
    detector.to(device, memory_format=torch.channels_last)
    return detector.eval().requires_grad_(False)


def to_images(crops: torch.Tensor) -> torch.Tensor:
    """Crops (B, H, W, 3) uint8 as images (B, 3, H, W) float32 in 0..1."""
    return crops.permute(0, 3, 1, 2).float() / 255
