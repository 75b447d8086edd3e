"""Crops of face shards as batches for a network."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard
from pipeline.models.augmentation import through_jpeg
from pipeline.runtime.errors import StepError

Wanted = tuple[int, int]  # a crop's row, and the JPEG quality to give it (0: none)


class FaceCrops(Dataset):
    """Crops of several face shards, read from disk a batch at a time.

    `table` has one row a crop: its video's columns, its label, and where it is. With a
    `protocol`, only the crops that it trains on.
    """

    def __init__(
        self, shards: Sequence[Path], protocol: ProtocolConfig | None = None
    ) -> None:
        self.shards = list(shards)
        self.open: dict[int, FaceShard] = {}
        self.table = crop_table(shards, protocol)
        self.places = self.table[["shard", "row"]].to_numpy()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> np.ndarray:
        """(N,) float32, 0 real or 1 fake."""
        return self.table["label"].to_numpy(np.float32)

    def __getitems__(self, wanted: Sequence[Wanted]) -> tuple[torch.Tensor, ...]:
        """Crops (B, S, S, 3) uint8 and labels (B,) float32 of the rows wanted."""
        rows = np.array([row for row, _ in wanted])
        batch = self._read(rows)
        crops = batch.numpy()
        for crop, (_, quality) in zip(crops, wanted, strict=True):
            if quality:
                crop[:] = through_jpeg(crop, quality)
        labels = self.table["label"].to_numpy(np.float32)[rows]
        return batch, torch.from_numpy(labels)

    def _read(self, rows: np.ndarray) -> torch.Tensor:
        batch: torch.Tensor | None = None
        for index, (number, row) in enumerate(self.places[rows]):
            if number not in self.open:  # each reader process opens its own
                self.open[number] = FaceShard(self.shards[number])
            stored = self.open[number].crops
            if batch is None:
                batch = _empty((len(rows), *stored.shape[1:]))
            stored.read_direct(batch[index].numpy(), np.s_[row])
        assert batch is not None
        return batch

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


def _empty(shape: tuple[int, ...]) -> torch.Tensor:
    """Room for bytes; in a reader process, in memory that it shares with training."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    # As PyTorch's own collation does: a copy less on the way.
    storage = torch.UntypedStorage._new_shared(math.prod(shape), device="cpu")
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, shape)


def check_classes(crops: FaceCrops, split: str) -> None:
    """Raise StepError unless there are real and fake crops to learn from."""
    for label, kind in ((0, "real"), (1, "fake")):
        if not (crops.table["label"] == label).any():
            raise StepError(
                f"the {split} split has no {kind} face in this protocol: all such "
                "videos of it failed, or there are none. Its contact sheets "
                "(faces/*.png) say which; mend these, or take more videos"
            )


def read_batches(
    crops: FaceCrops, batches: Sequence[Sequence[Wanted]], readers: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Crops (B, S, S, 3) uint8 and labels (B,) of each batch, in order.

    `readers` processes read ahead; with 0, reading waits for its turn.
    """
    return iter(
        DataLoader(
            crops,
            batch_sampler=batches,
            num_workers=readers,
            collate_fn=_as_read,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if readers else None,
        )
    )


def _as_read(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return batch


def plain_batches(rows: np.ndarray, size: int) -> list[list[Wanted]]:
    """Batches of the rows in order, with no JPEG."""
    return [
        [(int(row), 0) for row in rows[start : start + size]]
        for start in range(0, len(rows), size)
    ]
