"""Batches of crops from face shards, as input of a network."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.crop_table import crop_table
from pipeline.faces.shards import FaceShard, common_face_detector
from pipeline.models.augmentation import compress_as_jpeg
from pipeline.runtime.errors import StepError

CropRequest = tuple[int, int]  # a crop's row, and its JPEG quality (0: no compression)
Batch = tuple[torch.Tensor, torch.Tensor]  # crops (B, S, S, 3) uint8; labels (B,)


class FaceCrops(Dataset):
    """Crops of several face shards. Each batch is read from disk when it is needed.

    `table` has one row per crop: the columns of its video, its label, and its shard and
    row there. With a `protocol`, it has only the crops that the protocol trains on.
    `face_detector` is the entry of that name in the shards. Raises StepError if the
    shards were made with different face detectors.
    """

    def __init__(
        self, shards: Sequence[Path], protocol: ProtocolConfig | None = None
    ) -> None:
        self.shards = list(shards)
        self.open_shards: dict[int, FaceShard] = {}
        self.face_detector = common_face_detector(self.shards)
        self.table = crop_table(shards, protocol)
        self.locations = self.table[["shard", "row"]].to_numpy()  # (N, 2)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> np.ndarray:
        """Labels (N,) float32: 0 real, 1 fake."""
        return self.table["label"].to_numpy(np.float32)

    def __getitems__(self, requests: Sequence[CropRequest]) -> Batch:
        """The requested crops (B, S, S, 3) uint8 and their labels (B,) float32."""
        rows = np.array([row for row, _ in requests])
        batch = self._read(rows)
        crops = batch.numpy()
        for crop, (_, quality) in zip(crops, requests, strict=True):
            if quality:
                crop[:] = compress_as_jpeg(crop, quality)
        return batch, torch.from_numpy(self.labels[rows])

    def _read(self, rows: np.ndarray) -> torch.Tensor:
        batch: torch.Tensor | None = None
        for index, (number, row) in enumerate(self.locations[rows]):
            if number not in self.open_shards:  # each reader process opens its own
                self.open_shards[number] = FaceShard(self.shards[number])
            stored = self.open_shards[number].crops
            if batch is None:
                batch = _empty_bytes((len(rows), *stored.shape[1:]))
            stored.read_direct(batch[index].numpy(), np.s_[row])
        assert batch is not None
        return batch

    def shuffle_labels(self, seed: int) -> None:
        """Assign new labels to the videos at random, for a control training.

        No detector can learn these labels. In each data set and compression, the real
        videos and the fakes of each method get the same share of fake labels. A plain
        shuffle would not ensure that: by chance it agrees a little with the true
        labels, or disagrees, and a network makes use of that.
        """
        keys = ["dataset", "compression"]
        own = ["label", "method", *keys]
        videos = self.table.groupby("video", sort=True)[own].first()
        rng = np.random.default_rng(seed)
        fake_share = videos.groupby(keys)["label"].transform("mean")
        for _, members in videos.groupby([*keys, "method"]):
            share = fake_share[members.index].iloc[0]
            labels = np.arange(len(members)) < round(share * len(members))
            videos.loc[members.index, "label"] = rng.permutation(labels).astype(int)
        self.table["label"] = self.table["video"].map(videos["label"])


def _empty_bytes(shape: tuple[int, ...]) -> torch.Tensor:
    """An uninitialised uint8 tensor; a reader process shares it with the training.

    PyTorch's own collation allocates shared memory in the same way. It saves one copy.
    """
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(math.prod(shape), device="cpu")
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def check_classes(crops: FaceCrops, split: str) -> None:
    """Raise StepError unless there are both real and fake crops.

    In the training split, each data set and compression must have both.
    """
    for label, kind in ((0, "real"), (1, "fake")):
        if not (crops.table["label"] == label).any():
            raise StepError(
                f"the {split} split has no {kind} face in this protocol: it has no "
                f"{kind} videos, or face extraction failed for all of them. The "
                "contact sheets (faces/*.png) say which: fix these videos, or add more"
            )
    if split != "train":
        return
    for names, part in crops.table.groupby(["dataset", "compression"]):
        if part["label"].nunique() < 2:
            kind = "real" if part["label"].iloc[0] == 1 else "fake"
            raise StepError(
                f"the train split of {names[0]} ({names[1]}) has no {kind} face in "
                "this protocol: a detector would learn to recognise the data set "
                f"instead of forgeries. Add {kind} videos to it, or select other data "
                "sets by the protocol's `datasets` or `compressions`"
            )


def read_batches(
    crops: FaceCrops, batches: Sequence[list[CropRequest]], readers: int
) -> Iterator[Batch]:
    """Crops (B, S, S, 3) uint8 and labels (B,) float32 of each batch, in order.

    `readers` processes read ahead. With 0, each batch is read when it is asked for.
    """
    return iter(
        DataLoader(
            crops,
            batch_sampler=batches,
            num_workers=readers,
            collate_fn=_unchanged,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if readers else None,
        )
    )


def _unchanged(batch: Any) -> Any:
    """Replace PyTorch's collation: `__getitems__` returns complete batches."""
    return batch


def plain_batches(rows: np.ndarray, size: int) -> list[list[CropRequest]]:
    """Requests for the rows in order, `size` per batch, without JPEG compression."""
    return [
        [(int(row), 0) for row in rows[start : start + size]]
        for start in range(0, len(rows), size)
    ]
