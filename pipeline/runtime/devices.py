"""What a step computes on: a GPU, or how many cores."""

import ctypes
import logging
import platform

import torch

from pipeline.runtime.allocation import in_slurm, may_use_gpu, usable_cores

log = logging.getLogger(__name__)

# Parameters of glibc's mallopt (man 3 mallopt), from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER_TRIM = -1


def usable_gpus() -> int:
    """How many GPUs this process may use."""
    if not may_use_gpu():
        return 0
    if torch.cuda.is_available():
        return torch.cuda.device_count()
    # The count includes GPUs that only the driver knows.
    if in_slurm() or torch.cuda.device_count():
        log.warning(
            "there is a GPU, but torch %s cannot use it. Perhaps the driver "
            "(nvidia-smi) is too old. Computing on the CPU.",
            torch.__version__,
        )
    return 0


def pick_device() -> torch.device:
    """The GPU if this process may use one, else the CPU."""
    return torch.device("cuda" if usable_gpus() else "cpu")


def use_cores(threads: int) -> None:
    """Compute on at most `threads` cores, but only on those that this process may
    use."""
    torch.set_num_threads(usable_cores(threads))
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Keep the memory that a batch frees, for the next batch.

    By default, glibc returns it to the system, which fills each page with zeros when it
    is used again. That takes up to a fifth of the time of a gradient on the CPU.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
        libc.mallopt(M_MMAP_MAX, 0)  # otherwise large blocks are returned one by one
