"""Forgery detectors: timm networks with one output, the logit of "fake"."""

import json
import os
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


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Tensors of a .safetensors file or of a plain state dict; nothing is unpickled."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise StepError(f"{file}: is no file of weights ({error})") from error
    except Exception as error:  # torch raises pickle.UnpicklingError and others
        raise StepError(
            f"{file}: holds more than tensors, which could run code when loaded, and "
            "is refused; save its state dict again as .safetensors"
        ) from error
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(loaded, dict):
        raise StepError(f"{file}: holds no state dict but a {type(loaded).__name__}")
    return loaded


def _load_backbone(network: nn.Module, file: Path) -> None:
    """Load all weights whose names and shapes fit; the head may be missing."""
    own = network.state_dict()
    given = {
        key.removeprefix("module.").removeprefix("network."): value
        for key, value in read_weights(file).items()
    }
    fit = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    classifier = network.pretrained_cfg.get("classifier", "")
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
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


def pick_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_threads(threads: int) -> None:
    """Compute on at most `threads` cores, and on no more than this process may use."""
    torch.set_num_threads(max(1, min(threads, len(os.sched_getaffinity(0)))))


def fast_precision(device: torch.device, wanted: str) -> torch.dtype:
    """The dtype to train in: bfloat16 where `wanted` and the device computes in it."""
    if wanted == "float32":
        return torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native or wanted == "bfloat16" else torch.float32
