"""Numerical precision of prediction, attribution and training."""

import torch


def compute_exactly() -> None:
    """On a GPU, use full float32 (not TF32) and algorithms that repeat their results.

    The backward pass of antialiased resizing has no such algorithm on a GPU.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def fast_precision(device: torch.device, wanted: str) -> torch.dtype:
    """The dtype to train in: float32 or bfloat16.

    `wanted` is "float32", "bfloat16" or "auto", which is bfloat16 on devices that
    support it in hardware.
    """
    if wanted == "float32":
        return torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native or wanted == "bfloat16" else torch.float32
