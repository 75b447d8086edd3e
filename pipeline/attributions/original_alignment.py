"""Cut the originals of fakes out of their own videos, where the fakes were cut."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from pipeline.attributions.originals import FORMAT, VERSION
from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.workers import Failure, in_workers

log = logging.getLogger(__name__)

# Outside the mask, on three pairs of the miniature corpus (S = 48, 96 and 224), the
# same frame has 37 to 53 dB at c23 and 28 to 42 at c40, another person's 15 at most. It
# tells no moments apart: of frames five away 15 to 32 % have 30 dB and more, of the
# next ones nearly all. That the moment is the same rests on the frames' numbers.
# At the crop's border, where a fake has no mask (S = 48): 40 to 48 dB at c23, 32 to 40
# at c40, another person 14 at most; another take before the same backdrop would pass.
ALIGNED_DB = 30.0
AROUND = 1 / 16  # of the side: forgeries are blended in some px beyond their mask


@dataclass(frozen=True)
class _Task:
    """What `original_crops` wants."""

    path: Path
    numbers: np.ndarray
    boxes: np.ndarray
    frame: tuple[int, int]
    size: int
    decoder: str


def original_crops(
    path: Path,
    numbers: np.ndarray,
    boxes: np.ndarray,
    frame: tuple[int, int],
    size: int,
    decoder: str,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Cut boxes (n, 4) px out of the frames `numbers` (n,) of an original.

    `frame` is (height, width) px of the fake. Returns crops (n, size, size, 3) uint8,
    which of them there are (n,), and why others are not: "" where all are.
    """
    crops = np.zeros((len(numbers), size, size, 3), np.uint8)
    there = np.zeros(len(numbers), bool)
    try:
        video = open_video(path, decoder)
        if (video.height, video.width) != frame:
            return crops, there, "the original is of another size"
        for decoded, pixels in Frames(
            video, np.unique(numbers[numbers < video.index.total])
        ):
            for picture, number in zip(pixels, decoded, strict=True):
                for place in np.flatnonzero(numbers == number):
                    crops[place] = crop(picture[None], boxes[place][None], size)[0]
                    there[place] = True
    except VideoError as error:
        return np.zeros_like(crops), np.zeros_like(there), f"the original: {error}"
    if (numbers >= video.index.total).any():
        return crops, there, "the original ends before the fake"
    return crops, there, "" if there.all() else "frames of the original are damaged"


def psnr_outside(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """PSNR in dB of crops (S, S, 3) uint8 where mask (S, S) is 0 and nothing near it is
    not; inf where they are equal, NaN where nothing is outside."""
    reach = 2 * round(AROUND * len(mask)) + 1
    outside = cv2.dilate(mask, np.ones((reach, reach), np.uint8)) == 0
    if not outside.any():
        return np.nan
    error = np.square(one[outside].astype(np.float64) - other[outside]).mean()
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def face_of(size: int, margin: float) -> np.ndarray:
    """Mask (size, size) uint8 of the face in its crop, for a fake that came without.

    `margin` is `faces.margin`; without one, all is the face's.
    """
    mask = np.zeros((size, size), np.uint8)
    border = round(((1 - 1 / margin) / 2 + AROUND) * size)
    mask[border:-border, border:-border] = 1
    return mask


def write_originals(
    path: Path,
    faces: Path,
    files: Mapping[str, Path],
    config: FacesConfig,
    workers: int,
    provenance: Mapping[str, Any],
) -> None:
    """Find the originals of a face shard's fakes.

    The layout of the file is in `pipeline.attributions.originals`.

    An original that crashes or hangs its decoder costs its own fakes alone.
    `files` gives the original by the id of the fake.
    """
    with (
        FaceShard(faces) as shard,
        replacing(path) as part,
        h5py.File(part, "w") as file,
    ):
        mark(file, FORMAT, VERSION, provenance)
        frames = shard.labelled_frames()
        shape = shard.crops.shape
        crops = file.create_dataset(
            "crops",
            shape,
            np.uint8,
            maxshape=(None, *shape[1:]),
            chunks=(1, *shape[1:]),
            compression="lzf",
        )
        psnr = np.full(len(frames), np.nan, np.float32)
        reasons: dict[str, int] = {}
        forged = frames[frames["label"] == 1]
        face = face_of(shape[1], config.margin)
        for rows, found, there, why in _videos(shard, forged, files, config, workers):
            has_mask = bool(rows["has_mask"].iloc[0])
            for row, original in zip(rows.index[there], found, strict=True):
                crops[row] = original
                fake, mask = shard.crops[row], shard.masks[row]
                psnr[row] = psnr_outside(fake, original, mask if has_mask else face)
            if why:
                reasons[why] = reasons.get(why, 0) + 1
        file["frames/psnr"] = psnr
        file["frames/aligned"] = psnr >= ALIGNED_DB
    aligned = int((psnr >= ALIGNED_DB).sum())
    log.info("%d of %d fakes' frames are aligned", aligned, len(forged))
    for why, count in sorted(reasons.items()):
        log.info("%d videos: %s", count, why)


def _videos(
    shard: FaceShard,
    forged: pd.DataFrame,
    files: Mapping[str, Path],
    config: FacesConfig,
    workers: int,
) -> Iterator[tuple[pd.DataFrame, np.ndarray, np.ndarray, str]]:
    """Each fake's rows, the crops there are, of which rows, and why not of all."""
    known = []
    for video, rows in forged.groupby("video"):
        if video in files:
            known.append(rows)
        else:
            yield rows, *_nothing(rows), "no original is known"
    tasks = (_task(shard, rows, files, config.decoder) for rows in known)
    results = in_workers(_cut, tasks, min(workers, len(known)), config.time_limit)
    for rows, result in zip(known, results, strict=True):
        if isinstance(result, Failure):
            why = f"the original: {result.status}: {result.reason}"
            yield rows, *_nothing(rows), why
        else:
            yield rows, *result


def _nothing(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0,), np.uint8), np.zeros(len(rows), bool)


def _task(
    shard: FaceShard, rows: pd.DataFrame, files: Mapping[str, Path], decoder: str
) -> _Task:
    video = rows.iloc[0]
    return _Task(
        files[video["video"]],
        rows["number"].to_numpy(),
        shard.file["frames/box"][rows.index],
        (int(video["height"]), int(video["width"])),
        shard.crops.shape[1],
        decoder,
    )


def _cut(task: _Task) -> tuple[np.ndarray, np.ndarray, str]:
    """A worker's job: as `original_crops`, but only the crops that there are."""
    cv2.setNumThreads(1)  # workers run side by side
    crops, there, why = original_crops(
        task.path, task.numbers, task.boxes, task.frame, task.size, task.decoder
    )
    return crops[there], there, why
