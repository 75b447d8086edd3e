"""How many gradients to compute at once: as many as the memory holds."""

import logging
from dataclasses import dataclass

import torch

from pipeline.models.networks import ForgeryDetector

log = logging.getLogger(__name__)

SHARE = 0.6  # of a GPU's memory
ON_CORES = 5 * 10**9  # bytes, a third of what attribution's job asks for
MOST = {"cpu": 64, "cuda": 512}  # more are no faster
# What is saved for the backward pass, and as much again for what passes through it.
OVERHEAD = 2.0


@dataclass
class BatchSize:
    """How many gradients are computed at once: fewer, once that filled the memory."""

    images: int

    def halve(self, tried: int) -> None:
        """After so many did not fit; call it when nothing holds them any more."""
        self.images = tried // 2
        log.info("the memory is full: batches of %d from now on", self.images)
        torch.cuda.empty_cache()


def plan_batch(detector: ForgeryDetector, size: int, limit: int | None = None) -> int:
    """A power of two of images (3, size, size) whose gradients fit at once.

    By the memory that there is, not by what is free now: the same machine gives the
    same plan. `limit` is in bytes; without it, a share of a GPU's, or ON_CORES.
    """
    device = next(detector.parameters()).device
    image = torch.zeros(3, size, size, device=device)
    fit = (limit or _usable(device)) / (OVERHEAD * saved_bytes(detector, image))
    most = min(MOST.get(device.type, 64), max(1, int(fit)))
    return 1 << (most.bit_length() - 1)


def _usable(device: torch.device) -> int:
    if device.type == "cuda":
        return int(SHARE * torch.cuda.get_device_properties(device).total_memory)
    return ON_CORES


def saved_bytes(detector: ForgeryDetector, image: torch.Tensor) -> int:
    """Bytes that the forward pass of an image (3, H, W) keeps for the backward pass."""
    frozen = {p.untyped_storage().data_ptr() for p in detector.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        detector(image[None].clone().requires_grad_(True))
    return sum(kept[where].nbytes() for where in kept.keys() - frozen)
