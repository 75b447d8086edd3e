"""Devices, processes and precision of a training."""

from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from pipeline.config.models import ModelConfig
from pipeline.models.precision import fast_precision
from pipeline.runtime.devices import usable_gpus
from pipeline.runtime.errors import StepError


def make_fabric(config: ModelConfig) -> Fabric:
    """Set up the devices and the precision that a model is trained with.

    Training uses `config.devices` GPUs, or all GPUs if there are fewer. Without a GPU
    it uses that number of processes on the CPU. Raises StepError if the batch cannot be
    divided evenly among the GPUs.
    """
    gpus = usable_gpus()
    device = torch.device("cuda" if gpus else "cpu")
    bfloat16 = fast_precision(device, config.precision) == torch.bfloat16
    devices = min(config.devices, gpus) if gpus else config.devices
    multiple = devices * config.accumulate
    if config.batch_size % multiple:
        raise StepError(
            f"batch_size {config.batch_size} cannot be divided evenly among the "
            f"{devices} available GPUs: make it a multiple of {multiple}, or lower "
            "this model's `devices`"
        )
    precision = (
        UnroundedInputPrecision("bf16-mixed", device.type) if bfloat16 else Precision()
    )
    return Fabric(
        accelerator=device.type,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        # LightningEnvironment: the project starts its own processes, in SLURM as well.
        plugins=[LightningEnvironment(), precision],
    )


class UnroundedInputPrecision(MixedPrecision):
    """Mixed precision that passes float32 images to the detector.

    Fabric's own class rounds the input first. A detector resizes and normalises its
    input in float32, and PyTorch has no antialiased resizing in bfloat16.
    """

    def convert_input(self, data: Any) -> Any:
        """Return `data` unchanged."""
        return data


def any_process(fabric: Fabric, local: bool) -> bool:
    """Whether `local` is true in any process.

    All processes must call this at the same point, because each waits for the others.
    """
    if fabric.world_size == 1:
        return local
    flag = torch.tensor(float(local), device=fabric.device)
    total = fabric.all_reduce(flag, reduce_op="sum")
    assert isinstance(total, torch.Tensor)
    return bool(total > 0)


def gather(fabric: Fabric, local: torch.Tensor) -> torch.Tensor:
    """The tensors (...) of all processes, stacked: (processes, ...).

    All processes must call this at the same point, with tensors of the same shape.
    """
    gathered = fabric.all_gather(local)
    assert isinstance(gathered, torch.Tensor)
    return gathered.reshape(fabric.world_size, *local.shape)
