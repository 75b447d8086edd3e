"""The devices, processes and precision that a model is trained with."""

from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.plugins.environments import LightningEnvironment

from pipeline.config.models import ModelConfig
from pipeline.models.precision import fast_precision
from pipeline.runtime.devices import usable_gpus
from pipeline.runtime.errors import StepError


def make_fabric(config: ModelConfig) -> Fabric:
    """The devices and the precision that a model is trained with.

    On a GPU as many as asked for, if there are; else as many processes on the CPU.
    """
    gpus = usable_gpus()
    device = torch.device("cuda" if gpus else "cpu")
    bfloat16 = fast_precision(device, config.precision) == torch.bfloat16
    devices = min(config.devices, gpus) if gpus else config.devices
    if config.batch_size % (devices * config.accumulate):
        raise StepError(
            f"batch_size {config.batch_size} cannot be spread over the {devices} GPUs "
            "that there are: set this model's `devices` to their number"
        )
    precision = PixelsAsTheyAre("bf16-mixed", device.type) if bfloat16 else Precision()
    return Fabric(
        accelerator=device.type,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        # The environment: also inside SLURM, we start our own processes.
        plugins=[LightningEnvironment(), precision],
    )


class PixelsAsTheyAre(MixedPrecision):
    """Mixed precision that leaves resizing and normalisation to float32.

    Fabric's own rounds a network's input first, and resizing has no bfloat16.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def any_process(fabric: Fabric, here: bool) -> bool:
    """Whether it is so in any process; all of them must ask at the same place."""
    if fabric.world_size == 1:
        return here
    flag = torch.tensor(float(here), device=fabric.device)
    return bool(fabric.all_reduce(flag, reduce_op="sum") > 0)
