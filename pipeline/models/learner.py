"""A detector in training, with everything that a training step reads and changes."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm.optim
import torch
from lightning_fabric import Fabric
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3

from pipeline.config.models import ModelConfig
from pipeline.models.fabric import any_process
from pipeline.models.networks import ForgeryDetector
from pipeline.models.training_state import (
    Tensors,
    TrainingProgress,
    load_state,
    save_state,
)
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


@dataclass
class Learner:
    """A detector in training, with everything that a step reads and changes."""

    fabric: Fabric
    config: ModelConfig
    seed: int
    steps_per_epoch: int
    detector: ForgeryDetector
    model: Any  # Fabric's wrapper of the detector; the processes share its gradients
    optimizer: torch.optim.Optimizer
    schedule: CosineLRScheduler
    average: ModelEmaV3 | None  # moving average of the detector's weights
    done: TrainingProgress = field(default_factory=TrainingProgress)
    best: Tensors = field(default_factory=dict)  # weights of the best epoch so far

    @property
    def validated(self) -> ForgeryDetector:
        """The detector to validate: the moving average, or without one, `detector`."""
        return self.average.module if self.average else self.detector


def prepare(
    fabric: Fabric,
    detector: ForgeryDetector,
    config: ModelConfig,
    crops: int,
    seed: int,
) -> Learner:
    """Create everything that training a detector needs, before the first step.

    `crops` is the number of training crops. An epoch has crops / batch_size steps,
    rounded down.
    """
    detector.to(fabric.device).to(memory_format=torch.channels_last)
    steps = max(1, crops // config.batch_size)
    optimizer = timm.optim.create_optimizer_v2(
        detector, config.optimizer, config.learning_rate, config.weight_decay
    )
    total = max(1, steps * config.epochs)
    warmup = round(config.warmup * total)
    schedule = CosineLRScheduler(
        optimizer,
        # The learning rate reaches zero one step after the last step.
        t_initial=total + 1 - warmup,
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
        fabric=fabric,
        config=config,
        seed=seed,
        steps_per_epoch=steps,
        detector=detector,
        model=model,
        optimizer=wrapped,
        schedule=schedule,
        average=average,
    )


def restore(learner: Learner, file: Path, fingerprint: str) -> None:
    """Load the state in `file` into the learner, if it is of the same training."""
    found = load_state(file, fingerprint)
    if found is None:
        return
    done, state = found
    learner.done, learner.best = done, state["best"]
    learner.detector.load_state_dict(state["weights"])
    learner.validated.load_state_dict(state["validated"])
    learner.optimizer.load_state_dict(state["optimizer"])
    log.info("going on after %d epochs and %d steps", done.epoch, done.step)


def store(learner: Learner, file: Path, fingerprint: str) -> None:
    """Save the state of a training; the first of its processes writes the file.

    If that fails, this raises an error in all processes. Otherwise the others would
    wait for the first one without end.
    """
    failure: Exception | None = None
    if learner.fabric.is_global_zero:
        state = {
            "weights": learner.detector.state_dict(),
            "validated": learner.validated.state_dict(),
            "optimizer": learner.optimizer.state_dict(),
            "best": learner.best,
        }
        try:
            save_state(file, fingerprint, learner.done, state)
        except (OSError, RuntimeError) as error:
            failure = error
    if any_process(learner.fabric, failure is not None):
        raise failure or StepError("another process could not save the state")


def share_buffers(learner: Learner) -> None:
    """Copy the first process's batch statistics to the others, which have their own."""
    if learner.fabric.world_size > 1:
        for module in (learner.detector, learner.validated):
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)
