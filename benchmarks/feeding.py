"""How fast crops reach a network: our shards against a folder of PNGs.

    python -m benchmarks.feeding [--clips FOLDER] [--crops N] [--workers N]

The usual way is ImageFolder of torchvision: one PNG for each crop, which the workers
decode and normalise image by image. Ours reads batches of stored pixels as bytes. A GPU
normalises these bytes itself, so "ours bytes / ImageFolder floats" is the ratio for
training on a GPU. With "floats", both return images that the CPU has normalised. Both
read every crop once, in shuffled order, with the same number of workers. The limit is
the rate of the network: training steps of Xception on a batch in memory. Files are in
the page cache.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.clips import add_clip_arguments
from benchmarks.crop_shard import write_shard
from benchmarks.shard_format import CROP_SIZE, some_crops
from pipeline.config.models import ModelConfig
from pipeline.models.fabric import make_fabric
from pipeline.models.face_crops import FaceCrops, plain_batches, read_batches
from pipeline.models.learner import prepare
from pipeline.models.networks import to_images
from pipeline.models.pretrained import build_detector
from pipeline.models.training import take_step

BATCH_SIZE = 32
MEAN = STD = (0.5, 0.5, 0.5)


def write_pictures(crops: np.ndarray, folder: Path) -> None:
    """Write a folder of PNGs for each class, which is the layout of ImageFolder."""
    for label, part in enumerate(np.array_split(crops, 2)):
        (folder / str(label)).mkdir(parents=True)
        for number, crop in enumerate(part):
            path = folder / str(label) / f"{number}.png"
            cv2.imwrite(str(path), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))


def rate(batches: Iterable[torch.Tensor]) -> float:
    """Images a second over one pass, including the start of the reading."""
    count, start = 0, time.perf_counter()
    for images in batches:
        count += len(images)
    return count / (time.perf_counter() - start)


def from_shard(crops: FaceCrops, workers: int, floats: bool) -> Iterable[torch.Tensor]:
    order = np.random.default_rng(0).permutation(len(crops))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    for batch, _ in read_batches(crops, plain_batches(order, BATCH_SIZE), workers):
        yield to_images(batch).sub_(mean).div_(std) if floats else batch


def from_pictures(folder: Path, workers: int, floats: bool) -> Iterable[torch.Tensor]:
    normalised = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    steps = normalised if floats else [transforms.PILToTensor()]
    data = ImageFolder(str(folder), transforms.Compose(steps))
    for images, _ in DataLoader(data, BATCH_SIZE, shuffle=True, num_workers=workers):
        yield images


def training_rate(name: str, size: int, batch: int, steps: int) -> float:
    """Images a second of training steps on batches in memory."""
    config = ModelConfig(timm=name, input_size=size, batch_size=batch, augment=None)
    learner = prepare(make_fabric(config), build_detector(name, size), config, 1000, 0)
    crops = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    ready = (crops, torch.arange(batch) % 2.0)
    take_step(learner, iter([ready]), 0)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        take_step(learner, iter([ready]), step)[0].item()
    return steps * batch / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_clip_arguments(parser, count=2)
    parser.add_argument("--crops", type=int, default=2048)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    crops = some_crops(args)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shard(crops, folder / "crops.h5")
        write_pictures(crops, folder / "png")
        data = FaceCrops([folder / "crops.h5"])
        for workers in args.workers:
            ours, theirs = {}, {}
            for floats, name in ((False, "bytes"), (True, "floats")):
                ours[name] = rate(from_shard(data, workers, floats))
                theirs[name] = rate(from_pictures(folder / "png", workers, floats))
            table[f"{workers} workers"] = {
                "ours, bytes": ours["bytes"],
                "ours, floats": ours["floats"],
                "ImageFolder, bytes": theirs["bytes"],
                "ImageFolder, floats": theirs["floats"],
                "ours / ImageFolder, bytes": ours["bytes"] / theirs["bytes"],
                "ours / ImageFolder, floats": ours["floats"] / theirs["floats"],
                "ours bytes / ImageFolder floats": ours["bytes"] / theirs["floats"],
            }
    limit = training_rate("legacy_xception", CROP_SIZE, batch=8, steps=4)
    print(f"{len(crops)} crops of {CROP_SIZE} px, images/s")
    print(pd.DataFrame(table).round(1).to_string())
    print(f"limit: Xception at {CROP_SIZE} px trains {limit:.1f} images/s here")


if __name__ == "__main__":
    main()
