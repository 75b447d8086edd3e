"""What a step computes on: the GPU or how many cores, and in which precision."""

import ctypes
import logging
import platform

import torch

from pipeline.runtime.allocation import in_slurm, may_use_gpu, usable_cores

log = logging.getLogger(__name__)

# Of glibc's malloc.h: man 3 mallopt.
M_TRIM_THRESHOLD, M_MMAP_MAX, NEVER = -1, -4, -1


def usable_gpus() -> int:
    """How many GPUs this process may use."""
    if not may_use_gpu():
        return 0
    if torch.cuda.is_available():
        return torch.cuda.device_count()
    if in_slurm() or torch.cuda.device_count():  # counts what the driver alone knows
        log.warning(
            "there is a GPU, but torch %s cannot use it, as where the driver "
            "(nvidia-smi) is too old for it: computing on the CPU",
            torch.__version__,
        )
    return 0


def pick_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if usable_gpus() else "cpu")


def use_cores(threads: int) -> None:
    """Compute on at most `threads` cores, and on no more than this process may use."""
    torch.set_num_threads(usable_cores(threads))
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Leave a batch's memory to the next batch, and not to the system in between.

    glibc gives it back, and the system then fills each of its pages with zeros again:
    up to a fifth of the time that a gradient takes on the CPU.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
        libc.mallopt(M_MMAP_MAX, 0)  # or large blocks would be given back one by one
