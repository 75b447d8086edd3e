"""Build a detector and load pretrained weights into it."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch import nn

from pipeline.files.weights import read_weights
from pipeline.models.networks import ForgeryDetector, NetworkSpec, create_network
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


def build_detector(
    name: str,
    input_size: int,
    pretrained: bool | str = False,
    *,
    with_head: bool = False,
) -> ForgeryDetector:
    """A detector to train: timm's network `name` with a head of one output.

    `pretrained` is the path of a weights file. With False, the weights are random, and
    so is a head that the file does not have. True is not allowed here: the rule
    `fetch_weights` replaces it by the path of a file. Raises StepError if the weights
    do not fit the network, or if `with_head` is set and they have no suitable head.
    """
    assert pretrained is not True, "the rule `fetch_weights` provides a file"
    network = create_network(name, input_size)
    if pretrained:
        has_head = load_weights(network, Path(pretrained))
        if with_head and not has_head:
            raise StepError(
                f"{pretrained}: has no head that tells fake from real, so it cannot be "
                "used without training: set `epochs` above 0"
            )
    data = timm.data.resolve_data_config({}, model=network)
    spec = NetworkSpec(name, input_size, tuple(data["mean"]), tuple(data["std"]))
    return ForgeryDetector(network, spec)


# Other projects put these before the names of a network's own weights.
PREFIXES = ("module.", "network.", "model.", "backbone.", "encoder.")


def load_weights(network: nn.Module, file: Path) -> bool:
    """Load a file's weights into `network`; return whether they include a head.

    Raises StepError unless all weights except the head are there and have the right
    shape. A head of one output is used as it is. A head of two outputs (real, fake) may
    have any name. It is replaced by its difference, which is the same classifier. Any
    other head is ignored, and the network keeps its random head.
    """
    own = network.state_dict()
    given = _for_this_size(network, _renamed(read_weights(file), own))
    fit = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    heads = [k for k in own if k.startswith(_head_prefixes(network))]
    body = [k for k in own if k not in heads]
    # Old files do not count batches. Batch normalisation with momentum has no use for
    # these counters.
    needed = [k for k in body if not k.endswith("num_batches_tracked")]
    missing = [k for k in needed if k not in fit]
    if missing:
        raise StepError(
            f"{file}: does not fit this network: {len(missing)} of {len(own)} tensors "
            f"are missing or have another shape; the first is {missing[0]}"
        )
    if not all(k in fit for k in heads):
        rest = {k: v for k, v in given.items() if k not in body}
        fit |= _two_class_head({k: own[k].shape for k in heads}, rest)
    network.load_state_dict(fit, strict=False)
    has_head = all(k in fit for k in heads)
    log.info("%s: %s", file, "the head was loaded" if has_head else "the head is new")
    return has_head


def _renamed(
    given: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The given weights without prefixes, if more names match the network's then."""
    bare = {}
    for key, value in given.items():
        for prefix in PREFIXES:
            key = key.removeprefix(prefix)
        bare[key] = value
    return max((dict(given), bare), key=lambda named: len(named.keys() & own.keys()))


def _for_this_size(
    network: nn.Module, given: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The given weights, converted by timm for this network and input size.

    timm's modules have functions that convert weights of older versions, and resample
    weights whose shape depends on the input size, such as position embeddings.
    """
    adapt = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return adapt(given, network) if adapt else given


def _head_prefixes(network: nn.Module) -> tuple[str, ...]:
    """What the names of the head's weights start with."""
    config = cast("Mapping[str, Any]", network.pretrained_cfg)
    names = config.get("classifier") or ()
    return tuple(f"{n}." for n in ((names,) if isinstance(names, str) else names))


def _two_class_head(
    wanted: Mapping[str, torch.Size], rest: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """A head of one output, made of a file's only (real, fake) head.

    The logit of fake against real is the difference of the two outputs. `wanted` gives
    the shapes of the network's head, and `rest` the file's weights outside the body.
    The result is empty if the file has no such head, or several.
    """
    found: dict[str, torch.Tensor] = {}
    for key, shape in wanted.items():
        two_class = [v for v in rest.values() if v.shape == (2, *shape[1:])]
        if len(two_class) != 1:
            return {}
        found[key] = two_class[0][1:] - two_class[0][:1]
    return found
