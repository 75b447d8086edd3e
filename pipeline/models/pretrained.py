"""Build a detector and load pre-trained weights into it."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

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
