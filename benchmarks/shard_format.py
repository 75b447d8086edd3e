"""Formats for crops: rate of writing, rate of reading in shuffled order, and size.

    python -m benchmarks.shard_format [--clips FOLDER] [--crops N]

All formats are lossless. h5py reads all HDF5 variants without a plug-in. OpenCV reads
the folder of PNGs. Files are in the page cache; on a slow disk, size matters more.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd

from benchmarks.clips import CLIP_KINDS, add_clip_arguments, make_clips
from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import MaskVideos, extract_video

CROP_SIZE = 299  # px
BATCH_SIZE = 32  # crops of a video, which are written together
HDF5_FILTERS: dict[str, dict] = {
    "HDF5, as it is": {},
    "HDF5, lzf": {"compression": "lzf"},
    "HDF5, gzip 1": {"compression": "gzip", "compression_opts": 1},
    "HDF5, gzip 4": {"compression": "gzip", "compression_opts": 4},
    "HDF5, shuffle and gzip 1": {
        "compression": "gzip",
        "compression_opts": 1,
        "shuffle": True,
    },
}


def some_crops(args: argparse.Namespace) -> np.ndarray:
    """Crops of clips of every kind, (N, 299, 299, 3) uint8."""
    found = []
    frames = args.crops // (args.count * len(CLIP_KINDS))
    for size, layout in CLIP_KINDS:
        for clip in make_clips(args, size, layout):
            config = FacesConfig(frames=frames, size=CROP_SIZE)
            detector = HaarDetector(config.min_face)
            faces = extract_video(clip, MaskVideos(), detector, config)
            found.append(faces.crops)
    return np.concatenate([crops for crops in found if crops is not None])


def hdf5(crops: np.ndarray, order: np.ndarray, folder: Path, options: dict) -> dict:
    """Rates and size of a dataset in HDF5, with one chunk for each crop."""
    path = folder / "crops.h5"

    def write() -> None:
        with h5py.File(path, "w") as file:
            image = crops.shape[1:]
            data = file.create_dataset(
                "crops",
                (0, *image),
                np.uint8,
                maxshape=(None, *image),
                chunks=(1, *image),
                **options,
            )
            for start in range(0, len(crops), BATCH_SIZE):
                part = crops[start : start + BATCH_SIZE]
                data.resize(start + len(part), axis=0)
                data[start:] = part

    def read() -> None:
        with h5py.File(path) as file:
            for place in order:
                file["crops"][place]

    return _rates(crops, write, read, lambda: path.stat().st_size)


def pictures(crops: np.ndarray, order: np.ndarray, folder: Path) -> dict:
    """Rates and size of a folder of PNGs."""

    def write() -> None:
        for number, crop in enumerate(crops):
            cv2.imwrite(str(folder / f"{number}.png"), crop)

    def read() -> None:
        for place in order:
            cv2.imread(str(folder / f"{place}.png"))

    def size() -> int:
        return sum(path.stat().st_size for path in folder.glob("*.png"))

    return _rates(crops, write, read, size)


def _rates(
    crops: np.ndarray,
    write: Callable[[], None],
    read: Callable[[], None],
    size: Callable[[], int],
) -> dict[str, float]:
    began = time.perf_counter()
    write()
    written = time.perf_counter()
    read()
    ended = time.perf_counter()
    return {
        "write, crops/s": len(crops) / (written - began),
        "read, crops/s": len(crops) / (ended - written),
        "size, of the raw bytes": size() / crops.nbytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_clip_arguments(parser, count=2)
    parser.add_argument("--crops", type=int, default=512)
    args = parser.parse_args()
    crops = some_crops(args)
    order = np.random.default_rng(0).permutation(len(crops))
    table = {}
    for name, options in HDF5_FILTERS.items():
        with tempfile.TemporaryDirectory() as folder:
            table[name] = hdf5(crops, order, Path(folder), options)
    with tempfile.TemporaryDirectory() as folder:
        table["PNG files"] = pictures(crops, order, Path(folder))
    print(f"{len(crops)} crops of {CROP_SIZE} px")
    print(pd.DataFrame(table).T.round(2).to_string())


if __name__ == "__main__":
    main()
