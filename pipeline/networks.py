"""Forgery detectors: timm networks with one output, the logit of "fake"."""

import json
import sys
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
from pipeline.command_line import log
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
    name: str,
    input_size: int,
    pretrained: bool | str = False,
    with_head: bool = False,
) -> ForgeryDetector:
    """A detector to train: timm's network `name` with a one-logit head.

    `pretrained` is the path of a file of weights; False, and a head that the file does
    not have, are random. True is for `fetch_weights` to make a file of beforehand.
    Raises StepError where weights do not fit, or have no head and `with_head` asks it.
    """
    assert pretrained is not True, "weights are fetched by a step of their own"
    network = create_network(name, input_size)
    if pretrained:
        complete = load_weights(network, Path(pretrained))
        if with_head and not complete:
            raise StepError(
                f"{pretrained}: has no head that tells fake from real, so it cannot be "
                "taken as it is: train it, with `epochs` above 0"
            )
    data = timm.data.resolve_data_config({}, model=network)
    spec = NetworkSpec(name, input_size, tuple(data["mean"]), tuple(data["std"]))
    return ForgeryDetector(network, spec)


def create_network(name: str, input_size: int) -> nn.Module:
    """timm's network `name` with random weights and one output."""
    fixed = timm.get_pretrained_cfg(name)
    size = {"img_size": input_size} if fixed and fixed.fixed_input_size else {}
    return timm.create_model(name, num_classes=1, **size)


# What other projects put before the names of a network's own weights.
PREFIXES = ("module.", "network.", "model.", "backbone.", "encoder.")


def load_weights(network: nn.Module, file: Path) -> bool:
    """Load all weights of a file whose names and shapes fit; whether it had a head.

    A head of one output is taken as it is, and of two (real, fake), whatever it is
    called, the difference, which is the same classifier; a head of other classes is
    left out, and the network's own stays random.
    """
    own = network.state_dict()
    given = _for_this_size(network, _renamed(read_weights(file), own))
    fit = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    heads = [k for k in own if k.startswith(_head_names(network))]
    body = [k for k in own if k not in heads]
    # Old files have no counters of batches; with momentum they are not used.
    needed = [k for k in body if not k.endswith("num_batches_tracked")]
    missing = [k for k in needed if k not in fit]
    if missing:
        raise StepError(
            f"{file}: does not fit this network: {len(missing)} of {len(own)} tensors "
            f"are missing or of another shape, the first is {missing[0]}"
        )
    if not all(k in fit for k in heads):
        rest = {k: v for k, v in given.items() if k not in body}
        fit |= _two_class_head({k: own[k].shape for k in heads}, rest)
    network.load_state_dict(fit, strict=False)
    fresh = not all(k in fit for k in heads)
    log.info("%s: %s", file, "the head is new" if fresh else "with its head")
    return not fresh


def _renamed(
    given: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Weights by the network's names: without the wrappers' prefixes, if that helps."""
    bare = {}
    for key, value in given.items():
        for prefix in PREFIXES:
            key = key.removeprefix(prefix)
        bare[key] = value
    return max((dict(given), bare), key=lambda named: len(named.keys() & own.keys()))


def _for_this_size(
    network: nn.Module, given: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Weights that hang on the input's size (position embeddings), resampled by timm.

    Each of timm's modules knows how its older or other-sized weights become today's.
    """
    adapt = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return adapt(given, network) if adapt else given


def _head_names(network: nn.Module) -> tuple[str, ...]:
    named = network.pretrained_cfg.get("classifier") or ()
    return tuple(f"{n}." for n in ((named,) if isinstance(named, str) else named))


def _two_class_head(
    wanted: Mapping[str, torch.Size], rest: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """A one-logit head from a file's only (real, fake) head; empty where it has none.

    The logit of fake against real is the difference of the two.
    """
    found: dict[str, torch.Tensor] = {}
    for key, shape in wanted.items():
        two = [v for v in rest.values() if v.shape == (2, *shape[1:])]
        if len(two) != 1:
            return {}
        found[key] = two[0][1:] - two[0][:1]
    return found


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


def read_header(path: Path) -> dict[str, Any]:
    """What a detector's file says of itself, with its provenance."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (OSError, SafetensorError) as error:
        raise StepError(f"{path}: is no safetensors file ({error})") from error
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        raise StepError(f"{path}: was not written by this version of train_model")
    return header


def load_detector(path: Path, device: torch.device) -> ForgeryDetector:
    """A trained detector, frozen and in evaluation mode, on `device`."""
    header = read_header(path)
    mean, std = tuple(header["mean"]), tuple(header["std"])
    spec = NetworkSpec(header["timm"], header["input_size"], mean, std)
    detector = ForgeryDetector(create_network(spec.timm, spec.input_size), spec)
    detector.network.load_state_dict(load_file(path))
    detector.to(device, memory_format=torch.channels_last)
    return detector.eval().requires_grad_(False)


def to_images(crops: torch.Tensor) -> torch.Tensor:
    """Crops (B, H, W, 3) uint8 as images (B, 3, H, W) float32 in 0..1."""
    return crops.permute(0, 3, 1, 2).float().div_(255)
