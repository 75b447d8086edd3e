"""Which device a step computes on, and that it keeps freed memory."""

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline.runtime.allocation import GPU_VARIABLES
from pipeline.runtime.devices import pick_device, usable_gpus

FAULTS = """
import resource, torch
from pipeline.runtime.devices import use_cores

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    points = torch.rand(4, 3, 512, 512, requires_grad=True)
    torch.autograd.grad(layers(points).sum(), points)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

layers = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU()).eval()
use_cores(1)
print(*(faults() for _ in range(12)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_later_batches_use_the_memory_of_earlier_ones():
    """If freed memory were returned to the system, each batch would cause thousands of
    page faults. Sometimes no free block is large enough, and the heap grows once."""
    printed = subprocess.check_output([sys.executable, "-c", FAULTS], text=True)
    first, *later = map(int, printed.split())
    assert first > 10_000  # 64 MB of activations and their gradients
    assert np.median(later) < first / 50


@pytest.mark.parametrize("usable", [True, False])
def test_a_gpu_that_torch_cannot_use_is_ignored(monkeypatch, caplog, usable):
    """If the driver is too old, torch counts the GPU but reports it as unavailable."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in (*GPU_VARIABLES, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert usable_gpus() == int(usable)
    assert pick_device().type == ("cuda" if usable else "cpu")
    assert ("(nvidia-smi) is too old" in caplog.text) == (not usable)
