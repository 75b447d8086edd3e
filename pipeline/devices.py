"""What a step computes on: the GPU or how many cores, and in which precision."""

import os

import torch


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
