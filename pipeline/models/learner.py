"""A detector in training, with all that a step reads and changes."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import timm.optim
import torch
from lightning_fabric import Fabric
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3
from torch import nn

from pipeline.config.models import ModelConfig
from pipeline.models.fabric import any_process
from pipeline.models.networks import ForgeryDetector
from pipeline.models.training_state import Progress, Tensors, load_state, save_state
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


@dataclass
class Learner:
    """A detector in training: the parts that a step reads and changes."""

    fabric: Fabric
    config: ModelConfig
    seed: int
    steps: int  # an epoch
    detector: ForgeryDetector
    model: nn.Module  # the detector as Fabric wraps it: gradients are shared in it
    optimizer: torch.optim.Optimizer
    schedule: CosineLRScheduler
    average: ModelEmaV3 | None
    progress: Progress = field(default_factory=Progress)
    best: Tensors = field(default_factory=dict)

    @property
    def kept(self) -> ForgeryDetector:
        """The weights that are validated: their moving average, if there is one."""
        return self.average.module if self.average else self.detector


def prepare(
    fabric: Fabric,
    detector: ForgeryDetector,
    config: ModelConfig,
    crops: int,
    seed: int,
) -> Learner:
    """Everything that training needs around a detector, before its first step."""
    detector.to(fabric.device, memory_format=torch.channels_last)
    steps = max(1, crops // config.batch_size)
    optimizer = timm.optim.create_optimizer_v2(
        detector, config.optimizer, config.learning_rate, config.weight_decay
    )
    total = max(1, steps * config.epochs)
    warmup = round(config.warmup * total)
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=total + 1 - warmup,  # zero one step too late: the last one learns
        warmup_t=warmup,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    model, wrapped = fabric.setup(detector, optimizer)
    average = None
    if config.average:
        average = ModelEmaV3(detector, config.average, use_warmup=True)
    precision = fabric.strategy.precision.precision
    log.info(
        f"training on {fabric.world_size} x {fabric.device.type} in {precision}: "
        f"{crops} crops, {steps} steps an epoch"
    )
    return Learner(
        fabric, config, seed, steps, detector, model, wrapped, schedule, average
    )


def restore(learner: Learner, file: Path, fingerprint: str) -> Progress:
    """Take up the state in `file`, if it is of this training; how far it has come."""
    found = load_state(file, fingerprint)
    if found:
        learner.progress, state = found
        learner.detector.load_state_dict(state["weights"])
        learner.kept.load_state_dict(state["kept"])
        learner.optimizer.load_state_dict(state["optimizer"])
        learner.best = state["best"]
        done = learner.progress
        log.info("going on after %d epochs and %d steps", done.epoch, done.step)
    return learner.progress


def store(learner: Learner, file: Path, fingerprint: str) -> None:
    """Save the state of a training, by the first of its processes.

    If it cannot, all of them fail: none must wait for it for ever.
    """
    failure: Exception | None = None
    if learner.fabric.is_global_zero:
        state = {
            "weights": learner.detector.state_dict(),
            "kept": learner.kept.state_dict(),
            "optimizer": learner.optimizer.state_dict(),
            "best": learner.best,
        }
        try:
            save_state(file, fingerprint, learner.progress, state)
        except (OSError, RuntimeError) as error:
            failure = error
    if any_process(learner.fabric, failure is not None):
        raise failure or StepError("another process could not save the state")


def share_buffers(learner: Learner) -> None:
    """Give all processes the first one's batch statistics: each took its own."""
    if learner.fabric.world_size > 1:
        for module in (learner.detector, learner.kept):
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)
