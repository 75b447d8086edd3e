"""Train a forgery detector on the crops of face shards.

Every random choice is a function of the seed and of how many steps came before, so that
an interrupted training goes on as if nothing had happened (`training_state`).
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import nn

from pipeline.config.models import ModelConfig
from pipeline.models.augmentation import augment, jpeg_qualities
from pipeline.models.epoch_order import balanced_order
from pipeline.models.fabric import any_process
from pipeline.models.face_crops import FaceCrops, Wanted, read_batches
from pipeline.models.learner import Learner, prepare, restore, share_buffers, store
from pipeline.models.networks import ForgeryDetector, to_images
from pipeline.models.training_state import Progress, stop_requests
from pipeline.models.validation import REMEDY, validate
from pipeline.runtime.errors import StepError
from pipeline.runtime.progress import Stopwatch
from pipeline.runtime.progress import progress as shown
from pipeline.statistics.seeds import place_seed

log = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor]  # crops, labels
CHECK = 16  # steps between looks at losses and signals: a look waits for the device


def train(
    fabric: Fabric,
    detector: ForgeryDetector,
    config: ModelConfig,
    data: FaceCrops,
    validation: FaceCrops,
    seed: int,
    readers: int = 0,
    state_file: Path | None = None,
    fingerprint: str = "",
) -> pd.DataFrame:
    """Train in place, and leave the weights of the best epoch in `detector`.

    Best is the highest AUC over validation videos, then the lowest validation loss.
    Returns the history, one row an epoch. With a `state_file`, training goes on from
    it if its fingerprint is this one, and saves to it before and after each validation
    and when a signal asks to stop.

    Raises NotANumber when a loss is none, and Stopped when it was asked to stop.
    """
    learner = prepare(fabric, detector, config, len(data), seed)
    if not config.epochs:
        scores = validate(fabric, learner.detector, validation, readers)
        return pd.DataFrame([_history_row(0, np.nan, np.nan, scores)])
    progress = learner.progress
    if state_file:
        progress = restore(learner, state_file, fingerprint)
    with stop_requests() as asked:
        while progress.epoch < config.epochs and not _waited_enough(progress, config):
            stopped = train_epoch(learner, data, readers, asked)
            share_buffers(learner)
            if state_file:  # before validation too, which may take minutes
                store(learner, state_file, fingerprint)
            if stopped:
                raise Stopped(
                    f"stopped by {' '.join(asked) or 'a signal'} in epoch "
                    f"{progress.epoch + 1} after {progress.step} of {learner.steps} "
                    "steps; the same command goes on from there",
                    asked,
                )
            finish_epoch(learner, validation, readers)
            if state_file:
                store(learner, state_file, fingerprint)
    detector.load_state_dict(learner.best)
    return pd.DataFrame(progress.history)


def train_epoch(
    learner: Learner, data: FaceCrops, readers: int, asked: list[str]
) -> bool:
    """Take the steps that are left of an epoch; whether it was asked to stop early."""
    fabric, config, progress = learner.fabric, learner.config, learner.progress
    plan = plan_epoch(learner, data)
    clock = Stopwatch()
    own = [part[fabric.global_rank] for part in plan]
    batches = clock.timing(read_batches(data, own, readers))
    losses: list[torch.Tensor] = []
    learner.model.train()
    name = f"epoch {progress.epoch + 1}"
    todo = range(progress.step, learner.steps)
    for step in shown(todo, len(todo), name, "steps"):
        losses += take_step(learner, batches, progress.epoch * learner.steps + step)
        progress.step = step + 1
        due = progress.step % CHECK == 0 or progress.step == learner.steps
        alone = fabric.world_size == 1  # to ask the others costs as much as a look
        stop = any_process(fabric, bool(asked)) if due or alone else False
        if stop or due:
            done = (progress.step - todo.start) * config.accumulate
            checked = plan[done - len(losses) : done]
            progress.losses += check_losses(fabric, losses, checked, data)
            losses = []
        if stop:
            return True
    log.info("waited for data %.1f %% of the time", 100 * clock.share())
    return False


Plan = list[list[list[Wanted]]]  # what each process reads, for each part of each step


def plan_epoch(learner: Learner, data: FaceCrops) -> Plan:
    """What is read in the steps that are left of an epoch."""
    config, progress, fabric = learner.config, learner.progress, learner.fabric
    count = learner.steps * config.batch_size
    seed = place_seed(learner.seed, progress.epoch)
    rows = balanced_order(data.table, count, seed)
    generator = torch.Generator().manual_seed(seed)
    qualities = jpeg_qualities(count, config.augment, generator)
    wanted = list(zip(rows.tolist(), qualities.tolist(), strict=True))
    size = config.batch_size // (config.accumulate * fabric.world_size)
    batches = [wanted[start : start + size] for start in range(0, count, size)]
    parts = [
        batches[start : start + fabric.world_size]
        for start in range(0, len(batches), fabric.world_size)
    ]
    return parts[progress.step * config.accumulate :]


def take_step(
    learner: Learner,
    batches: Iterator[Batch],
    number: int,
) -> list[torch.Tensor]:
    """One step of the optimizer, the `number`-th from 0; the loss of each part."""
    fabric, parts = learner.fabric, learner.config.accumulate
    learner.schedule.step_update(number + 1)
    losses = []
    for part in range(parts):
        crops, labels = next(batches)
        images = to_images(crops.to(fabric.device, non_blocking=True))
        seed = place_seed(learner.seed, number, part, fabric.global_rank)
        torch.manual_seed(seed)  # for dropout
        if learner.config.augment:
            generator = torch.Generator().manual_seed(seed)
            images = augment(images, learner.config.augment, generator)
        with fabric.no_backward_sync(learner.model, part < parts - 1):
            logits = learner.model(images.to(memory_format=torch.channels_last))
            loss = nn.functional.binary_cross_entropy_with_logits(
                logits.float(), labels.to(fabric.device, non_blocking=True)
            )
            fabric.backward(loss / parts)
        losses.append(loss.detach())
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    if learner.average:
        learner.average.update(learner.detector, number + 1)
    return losses


class Stopped(StepError):
    """Training was asked to stop, and has saved its state; `asked` names the signals
    that this process got."""

    def __init__(self, message: str, asked: list[str]) -> None:
        super().__init__(message)
        self.asked = asked


class NotANumber(StepError):
    """A loss was no number; `videos` are those of its batch."""

    def __init__(self, message: str, videos: list[str]) -> None:
        super().__init__(message)
        self.videos = videos


def check_losses(
    fabric: Fabric, losses: list[torch.Tensor], plan: Plan, data: FaceCrops
) -> list[float]:
    """The losses of these parts, mean over the processes.

    Raises NotANumber with the videos of the first batch whose loss is none.
    """
    found = fabric.all_gather(torch.stack(losses)).reshape(-1, len(losses)).cpu()
    wrong = (~torch.isfinite(found)).T.nonzero().tolist()  # earliest first
    if wrong:
        part, process = wrong[0]
        rows = [row for row, _ in plan[part][process]]
        videos = sorted(set(data.table["video"].iloc[rows]))
        raise NotANumber(
            f"the training loss is no number: {REMEDY}. The batch was of "
            f"{', '.join(videos[:3])}{' ...' if len(videos) > 3 else ''}",
            videos,
        )
    return found.mean(0).tolist()


def finish_epoch(learner: Learner, validation: FaceCrops, readers: int) -> None:
    """Validate after an epoch, and keep its weights if they are the best so far."""
    progress = learner.progress
    scores = validate(learner.fabric, learner.kept, validation, readers)
    rate = learner.optimizer.param_groups[0]["lr"]
    progress.epoch += 1
    loss = float(np.mean(progress.losses))
    row = _history_row(progress.epoch, loss, rate, scores)
    progress.history.append(row)
    log.info("%s", {name: round(value, 6) for name, value in row.items()})
    merit = [scores["val_video_auc"], -scores["val_loss"]]
    progress.waiting += 1
    if not progress.merit or merit > progress.merit:
        progress.merit, progress.waiting = merit, 0
        state = learner.kept.state_dict()
        learner.best = {name: value.cpu().clone() for name, value in state.items()}
    progress.step, progress.losses = 0, []


def _history_row(
    epoch: int, loss: float, rate: float, scores: dict[str, float]
) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": loss, "learning_rate": rate, **scores}


def _waited_enough(progress: Progress, config: ModelConfig) -> bool:
    return config.patience is not None and progress.waiting >= config.patience
