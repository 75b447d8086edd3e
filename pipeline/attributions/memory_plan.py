"""How many gradients are computed at once: as many as fit into memory."""

import logging
from dataclasses import dataclass

import torch

from pipeline.models.networks import ForgeryDetector

log = logging.getLogger(__name__)

GPU_MEMORY_SHARE = 0.6
CPU_MEMORY_BYTES = 5 * 10**9  # a third of what an attribution job asks for
MAX_BATCH_IMAGES = {"cpu": 64, "cuda": 512}  # larger batches are not faster
# What is saved for the backward pass, and as much again for the backward pass itself.
MEMORY_FACTOR = 2.0


@dataclass
class BatchSize:
    """How many gradients are computed at once. It shrinks when memory was full."""

    images: int

    def halve(self, tried: int) -> None:
        """Halve the size after `tried` images did not fit into memory.

        Call it when nothing refers to their tensors any more.
        """
        self.images = tried // 2
        log.info("the memory is full: batches of %d from now on", self.images)
        torch.cuda.empty_cache()


def plan_batch(detector: ForgeryDetector, size: int, limit: int | None = None) -> int:
    """How many images (3, size, size) have gradients that fit at once: a power of two.

    The plan uses the installed memory, not the free memory, so that a machine always
    makes the same plan. `limit` is in bytes; by default it is GPU_MEMORY_SHARE of a
    GPU's memory, or CPU_MEMORY_BYTES.
    """
    device = next(detector.parameters()).device
    image = torch.zeros(3, size, size, device=device)
    fit = (limit or usable_bytes(device)) / (
        MEMORY_FACTOR * saved_bytes(detector, image)
    )
    images = min(MAX_BATCH_IMAGES.get(device.type, 64), max(1, int(fit)))
    return 1 << (images.bit_length() - 1)


def usable_bytes(device: torch.device) -> int:
    """How many bytes of a device's memory a plan may use."""
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return int(GPU_MEMORY_SHARE * memory)
    return CPU_MEMORY_BYTES


def saved_bytes(detector: ForgeryDetector, image: torch.Tensor) -> int:
    """Bytes that the forward pass of an image (3, H, W) keeps for the backward pass."""
    frozen = {p.untyped_storage().data_ptr() for p in detector.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage  # kept alive: no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        detector(image[None].clone().requires_grad_(True))
    return sum(kept[address].nbytes() for address in kept.keys() - frozen)
