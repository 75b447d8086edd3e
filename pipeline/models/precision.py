"""The arithmetic precision that a step computes in."""

import torch


def compute_exactly() -> None:
    """On a GPU: float32 that is not rounded to TF32 on the way, in a fixed order.

    But for what has no such order there: antialiased resizing, backwards.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def fast_precision(device: torch.device, wanted: str) -> torch.dtype:
    """The dtype to train in: bfloat16 where `wanted` and the device computes in it."""
    if wanted == "float32":
        return torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native or wanted == "bfloat16" else torch.float32
