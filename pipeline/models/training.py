"""Train a forgery detector on the crops of face shards.

All random numbers depend only on the seed and on the number of the step. An interrupted
training that is resumed therefore ends with the same weights as one that was never
interrupted (see `training_state`).
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
from pipeline.models.fabric import any_process, gather
from pipeline.models.face_crops import Batch, CropRequest, FaceCrops, read_batches
from pipeline.models.learner import Learner, prepare, restore, share_buffers, store
from pipeline.models.networks import ForgeryDetector, to_images
from pipeline.models.training_state import stop_requests
from pipeline.models.validation import REMEDY, validate
from pipeline.runtime.errors import StepError
from pipeline.runtime.progress import Stopwatch
from pipeline.runtime.progress import progress as show_progress
from pipeline.statistics.seeds import place_seed

log = logging.getLogger(__name__)

# Steps between two checks of losses and signals. A check waits for the device.
CHECK_INTERVAL = 16


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
    """Train `detector` in place; at the end it has the weights of the best epoch.

    `history.kept_epoch` defines which epoch is the best. `readers` processes read crops
    ahead. With a `state_file`, the state is saved before and after each validation, and
    when a signal asks to stop. If the file has the same `fingerprint`, training resumes
    from it.

    Returns the history, with one row per epoch and the columns epoch, train_loss,
    learning_rate, val_loss, val_frame_auc and val_video_auc. If `config.epochs` is 0,
    the detector is only validated, and the history has one row of epoch 0.

    Raises NotANumber if a loss is NaN or infinite, and Stopped after a signal that asks
    to stop.
    """
    learner = prepare(fabric, detector, config, len(data), seed)
    if not config.epochs:
        scores = validate(fabric, learner.detector, validation, readers)
        return pd.DataFrame([_history_row(0, np.nan, np.nan, scores)])
    if state_file:
        restore(learner, state_file, fingerprint)
    with stop_requests() as signals:
        while not is_finished(learner):
            stopped = train_epoch(learner, data, readers, signals)
            share_buffers(learner)
            if state_file:  # before validation too, which may take minutes
                store(learner, state_file, fingerprint)
            if stopped:
                done = learner.done
                raise Stopped(
                    f"stopped by {' '.join(signals) or 'a signal'} in epoch "
                    f"{done.epoch + 1} after {done.step} of {learner.steps_per_epoch} "
                    "steps; run the same command again to continue",
                    signals,
                )
            finish_epoch(learner, validation, readers)
            if state_file:
                store(learner, state_file, fingerprint)
    detector.load_state_dict(learner.best)
    return pd.DataFrame(learner.done.history)


def is_finished(learner: Learner) -> bool:
    """Whether all epochs are done, or the last `patience` ones were not the best."""
    config, done = learner.config, learner.done
    if config.patience is not None and done.epoch - done.best_epoch >= config.patience:
        return True
    return done.epoch >= config.epochs


def train_epoch(
    learner: Learner, data: FaceCrops, readers: int, signals: list[str]
) -> bool:
    """Take the remaining steps of an epoch; return whether a signal asked to stop.

    `signals` are the names of the signals that this process received.
    """
    fabric, config, done = learner.fabric, learner.config, learner.done
    plan = plan_epoch(learner, data)
    clock = Stopwatch()
    own = [part[fabric.global_rank] for part in plan]
    batches = clock.timing(read_batches(data, own, readers))
    losses: list[torch.Tensor] = []
    learner.model.train()
    name = f"epoch {done.epoch + 1}"
    first, steps = done.step, learner.steps_per_epoch
    for step in show_progress(range(first, steps), steps - first, name, "steps"):
        losses += take_step(learner, batches, done.epoch * steps + step)
        done.step = step + 1
        due = done.step % CHECK_INTERVAL == 0 or done.step == steps
        # A single process checks signals after each step. Several processes would have
        # to wait for each other, so they check when the losses are due.
        alone = fabric.world_size == 1
        stop = any_process(fabric, bool(signals)) if due or alone else False
        if stop or due:
            parts = (done.step - first) * config.accumulate
            checked = plan[parts - len(losses) : parts]
            done.losses += check_losses(fabric, losses, checked, data)
            losses = []
        if stop:
            return True
    log.info("waited for data %.1f %% of the time", 100 * clock.share())
    return False


# The crops that each process reads, for each part of each step.
Plan = list[list[list[CropRequest]]]


def plan_epoch(learner: Learner, data: FaceCrops) -> Plan:
    """The crops for the remaining steps of an epoch."""
    config, done, fabric = learner.config, learner.done, learner.fabric
    count = learner.steps_per_epoch * config.batch_size
    seed = place_seed(learner.seed, done.epoch)
    rows = balanced_order(data.table, count, seed)
    generator = torch.Generator().manual_seed(seed)
    qualities = jpeg_qualities(count, config.augment, generator)
    requests = list(zip(rows.tolist(), qualities.tolist(), strict=True))
    size = config.batch_size // (config.accumulate * fabric.world_size)
    batches = [requests[start : start + size] for start in range(0, count, size)]
    parts = [
        batches[start : start + fabric.world_size]
        for start in range(0, len(batches), fabric.world_size)
    ]
    return parts[done.step * config.accumulate :]


def take_step(
    learner: Learner,
    batches: Iterator[Batch],
    number: int,
) -> list[torch.Tensor]:
    """Take one step of the optimizer; return the loss () float32 of each of its parts.

    `number` counts the steps of all epochs from 0. The step has `accumulate` parts, and
    uses one of the `batches` for each.
    """
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
    """A signal asked training to stop, and the state was saved.

    `signals` are the names of the signals that this process received.
    """

    def __init__(self, message: str, signals: list[str]) -> None:
        super().__init__(message)
        self.signals = signals


class NotANumber(StepError):
    """A loss was NaN or infinite; `videos` are the videos of its batch."""

    def __init__(self, message: str, videos: list[str]) -> None:
        super().__init__(message)
        self.videos = videos


def check_losses(
    fabric: Fabric, losses: list[torch.Tensor], plan: Plan, data: FaceCrops
) -> list[float]:
    """The losses of some parts of steps, each the mean over the processes.

    `plan` has the crops of these parts. Raises NotANumber with the videos of the first
    batch whose loss is NaN or infinite.
    """
    found = gather(fabric, torch.stack(losses)).cpu()  # (processes, parts)
    wrong = (~torch.isfinite(found)).T.nonzero().tolist()  # earliest part first
    if wrong:
        part, process = wrong[0]
        rows = [row for row, _ in plan[part][process]]
        videos = sorted(set(data.table["video"].iloc[rows]))
        raise NotANumber(
            f"the training loss is not a finite number: {REMEDY}. Videos of the batch: "
            f"{', '.join(videos[:3])}{' ...' if len(videos) > 3 else ''}",
            videos,
        )
    return found.mean(0).tolist()


def finish_epoch(learner: Learner, validation: FaceCrops, readers: int) -> None:
    """Validate after an epoch, and keep its weights if they are the best so far."""
    done = learner.done
    scores = validate(learner.fabric, learner.validated, validation, readers)
    rate = learner.optimizer.param_groups[0]["lr"]
    row = _history_row(done.epoch + 1, float(np.mean(done.losses)), rate, scores)
    log.info("%s", {name: round(value, 6) for name, value in row.items()})
    done.history.append(row)
    done.epoch, done.step, done.losses = done.epoch + 1, 0, []
    if done.best_epoch == done.epoch:
        weights = learner.validated.state_dict()
        learner.best = {name: value.cpu().clone() for name, value in weights.items()}


def _history_row(
    epoch: int, loss: float, rate: float, scores: dict[str, float]
) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": loss, "learning_rate": rate, **scores}
