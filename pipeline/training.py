"""Train a forgery detector on the crops of face shards."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from pipeline.config.models import ModelConfig
from pipeline.devices import fast_precision
from pipeline.errors import StepError
from pipeline.face_shards import FaceShard
from pipeline.networks import ForgeryDetector, to_images
from pipeline.prediction import video_table
from pipeline.progress import log, progress

SHIFT = 4  # px that augmentation moves crops by, at most


class FaceCrops(Dataset):
    """All crops of several face shards, read one at a time from disk.

    `table` has one row a crop: its video's columns, its label, and where it is.
    """

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = list(shards)
        self.open: dict[int, FaceShard] = {}
        tables = []
        for number, path in enumerate(self.shards):
            with FaceShard(path) as shard:
                frames = shard.labelled_frames()[["video", "method", "label"]]
            tables.append(frames.assign(shard=number, row=np.arange(len(frames))))
        self.table = pd.concat(tables, ignore_index=True).astype({"label": int})
        self.labels = self.table["label"].to_numpy(np.float32)
        self.places = self.table[["shard", "row"]].to_numpy()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.float32]:
        """A crop (S, S, 3) uint8 and its label, 0 real or 1 fake."""
        number, row = self.places[index]
        if number not in self.open:  # each reader process opens its own
            self.open[number] = FaceShard(self.shards[number])
        return self.open[number].crops[row], self.labels[index]

    def shuffle_labels(self, seed: int) -> None:
        """Deal the videos' labels out anew: a control that must learn nothing.

        Each method, and the real videos, get real and fake labels in the same shares.
        A plain shuffle leaves the labels by chance a little right or a little wrong,
        and a network makes much of that.
        """
        videos = self.table.groupby("video", sort=True)[["label", "method"]].first()
        rng = np.random.default_rng(seed)
        fakes = videos["label"].mean()
        for _, members in videos.groupby("method"):
            dealt = np.arange(len(members)) < round(fakes * len(members))
            videos.loc[members.index, "label"] = rng.permutation(dealt).astype(int)
        self.table["label"] = self.table["video"].map(videos["label"])
        self.labels = self.table["label"].to_numpy(np.float32)


def check_classes(crops: FaceCrops, split: str) -> None:
    """Raise StepError unless there are real and fake crops to learn from."""
    for label, kind in ((0, "real"), (1, "fake")):
        if not (crops.labels == label).any():
            raise StepError(
                f"the {split} split has no {kind} face: all its videos failed, see "
                "faces/summary.csv; mend them or take more videos"
            )


def train(
    detector: ForgeryDetector,
    config: ModelConfig,
    data: FaceCrops,
    validation: FaceCrops,
    seed: int,
    workers: int,
) -> pd.DataFrame:
    """Train in place, and leave the weights of the best epoch in `detector`.

    Best is the highest AUC over validation videos, then the lowest validation loss.
    Returns the history, one row an epoch. Batches hold real and fake crops in equal
    shares, whatever the data's are.
    """
    device = next(detector.parameters()).device
    detector.to(memory_format=torch.channels_last)
    precision = fast_precision(device, config.precision)
    log.info("training on %s in %s, %d crops", device, precision, len(data))
    generator = torch.Generator().manual_seed(seed)
    loader = _loader(data, config.batch_size, workers, generator)
    optimizer = torch.optim.AdamW(
        detector.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.epochs * len(loader)
    )
    history: list[dict[str, float]] = []
    best: tuple[float, float] = (-1.0, 0.0)
    weights: dict[str, torch.Tensor] = {}
    for epoch in range(1, config.epochs + 1):
        detector.train()
        losses = []
        for crops, labels in progress(loader, len(loader), f"epoch {epoch}", "batches"):
            images = augment(to_images(crops.to(device)), generator)
            with torch.autocast(
                device.type, precision, enabled=precision != torch.float32
            ):
                logits = detector(images.to(memory_format=torch.channels_last))
            loss = nn.functional.binary_cross_entropy_with_logits(
                logits.float(), labels.to(device)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        loss = _finite(float(np.mean(losses)), f"training loss of epoch {epoch}")
        scores = validate(detector, validation, config.batch_size)
        history.append({"epoch": epoch, "train_loss": loss, **scores})
        log.info("%s", {k: round(v, 4) for k, v in history[-1].items()})
        merit = (scores["val_video_auc"], -scores["val_loss"])
        if epoch == 1 or merit > best:
            best = merit
            weights = {k: v.cpu().clone() for k, v in detector.state_dict().items()}
    detector.load_state_dict(weights)
    return pd.DataFrame(history)


def _finite(value: float, what: str) -> float:
    """`value`, or StepError where training ran away."""
    if not np.isfinite(value):
        raise StepError(
            f"the {what} is no number: lower this model's learning_rate, or set its "
            "precision to float32"
        )
    return value


def _loader(
    data: FaceCrops, batch_size: int, workers: int, generator: torch.Generator
) -> DataLoader:
    """Batches of as many crops in all as there are, real and fake equally likely."""
    counts = np.bincount(data.labels.astype(int), minlength=2)
    weights = (1 / counts)[data.labels.astype(int)]
    sampler = WeightedRandomSampler(weights, len(data), generator=generator)
    return DataLoader(
        data,
        min(batch_size, len(data)),
        sampler=sampler,
        num_workers=workers,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
        generator=generator,
    )


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flip, shift by whole pixels, and change brightness and contrast, at random.

    Nothing here re-samples: that would wipe out the traces that tell a fake.
    `images` is (B, 3, H, W) in 0..1, and so is the result.
    """
    count, device = len(images), images.device
    flip = torch.rand(count, generator=generator) < 0.5
    images = torch.where(flip.to(device).view(-1, 1, 1, 1), images.flip(3), images)
    images = _shift(
        images, torch.randint(2 * SHIFT + 1, (count, 2), generator=generator)
    )
    gain = 0.85 + 0.3 * torch.rand(count, 1, 1, 1, generator=generator)
    offset = 0.2 * torch.rand(count, 1, 1, 1, generator=generator) - 0.1
    return (images * gain.to(device) + offset.to(device)).clamp(0, 1)


def _shift(images: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Cut each of (B, 3, H, W) at its corner (B, 2) out of a copy with wider edges."""
    height, width = images.shape[2:]
    wide = nn.functional.pad(images, (SHIFT,) * 4, mode="replicate")
    moved = zip(wide, corners.tolist(), strict=True)
    return torch.stack([w[:, y : y + height, x : x + width] for w, (y, x) in moved])


def validate(
    detector: ForgeryDetector, data: FaceCrops, batch_size: int
) -> dict[str, float]:
    """Loss over frames, AUC over frames and over videos."""
    from sklearn.metrics import roc_auc_score

    logits = np.concatenate(list(predict(detector, data, batch_size)))
    loss = nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(data.labels)
    )
    _finite(loss.item(), "validation loss")
    frames = data.table.assign(logit=logits)
    videos = video_table(frames)
    return {
        "val_loss": loss.item(),
        "val_frame_auc": float(roc_auc_score(frames["label"], frames["logit"])),
        "val_video_auc": float(roc_auc_score(videos["label"], videos["logit"])),
    }


def predict(
    detector: ForgeryDetector, data: Dataset, batch_size: int
) -> Iterator[np.ndarray]:
    """Logits of all crops in order, a batch (B,) float32 at a time."""
    device = next(detector.parameters()).device
    detector.eval()
    for crops, _ in DataLoader(data, batch_size):
        images = to_images(crops.to(device)).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            logits = detector(images)
        yield logits.float().cpu().numpy()
