"""Cut the originals of fakes from their own videos, with the boxes of the fakes."""

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
from pipeline.videos.workers import Failure, run_in_workers

log = logging.getLogger(__name__)

# PSNR outside the mask, on three pairs of the miniature corpus (S = 48, 96 and 224):
# the same frame has 37 to 53 dB at c23 and 28 to 42 dB at c40, another person at most
# 15 dB. The PSNR cannot tell moments apart: 15 to 32 % of the frames five away have at
# least 30 dB, and so do nearly all neighbouring frames. That the moment is the same
# follows from the frames' numbers.
# At the crop's border, which is used for fakes without a mask (S = 48): 40 to 48 dB at
# c23, 32 to 40 dB at c40, another person at most 14 dB. Another recording with the same
# background would pass.
MIN_ALIGNED_PSNR = 30.0  # dB
# Share of the crop's side: forgeries are blended some pixels beyond their mask.
BLENDING_SHARE = 1 / 16

# The crops that could be cut, (m, S, S, 3) uint8; which of the n frames they are of,
# (n,) bool; and why some are missing, "" if none is.
CutCrops = tuple[np.ndarray, np.ndarray, str]


@dataclass(frozen=True)
class _Task:
    """The arguments of `original_crops`."""

    path: Path
    numbers: np.ndarray
    boxes: np.ndarray
    frame_size: tuple[int, int]
    size: int
    decoder: str


def original_crops(
    path: Path,
    numbers: np.ndarray,
    boxes: np.ndarray,
    *,
    frame_size: tuple[int, int],
    size: int,
    decoder: str,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Cut boxes (n, 4) px from the frames `numbers` (n,) of an original.

    `frame_size` is (height, width) px of the fake's frames. Returns the crops,
    (n, size, size, 3) uint8; which of them could be cut, (n,) bool, the others being
    black; and the reason if some could not be cut, else "".
    """
    crops = np.zeros((len(numbers), size, size, 3), np.uint8)
    is_cut = np.zeros(len(numbers), bool)
    try:
        video = open_video(path, decoder)
        if (video.height, video.width) != frame_size:
            return crops, is_cut, "the original is of another size"
        for decoded, pixels in Frames(
            video, np.unique(numbers[numbers < video.index.total])
        ):
            for picture, number in zip(pixels, decoded, strict=True):
                for place in np.flatnonzero(numbers == number):
                    crops[place] = crop(picture[None], boxes[place][None], size)[0]
                    is_cut[place] = True
    except VideoError as error:
        return np.zeros_like(crops), np.zeros_like(is_cut), f"the original: {error}"
    if (numbers >= video.index.total).any():
        return crops, is_cut, "the original ends before the fake"
    return crops, is_cut, "" if is_cut.all() else "frames of the original are damaged"


def psnr_outside(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """PSNR in dB of two crops (S, S, 3) uint8, outside a mask (S, S) and its border.

    The border is BLENDING_SHARE of the side wide. inf if the crops are equal there, NaN
    if no pixel is outside.
    """
    width = 2 * round(BLENDING_SHARE * len(mask)) + 1
    outside = cv2.dilate(mask, np.ones((width, width), np.uint8)) == 0
    if not outside.any():
        return np.nan
    error = np.square(one[outside].astype(np.float64) - other[outside]).mean()
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def face_mask(size: int, margin: float) -> np.ndarray:
    """A mask (size, size) uint8 of where a face is in its crop, for fakes without one.

    `margin` is `faces.margin`. Without a margin the face fills the crop.
    """
    mask = np.zeros((size, size), np.uint8)
    border = round(((1 - 1 / margin) / 2 + BLENDING_SHARE) * size)
    mask[border:-border, border:-border] = 1
    return mask


def write_originals(
    path: Path,
    faces: Path,
    files: Mapping[str, Path],
    *,
    config: FacesConfig,
    workers: int,
    provenance: Mapping[str, Any],
) -> None:
    """Cut the originals of a face shard's fakes and write them to `path`.

    The layout of the file is in `pipeline.attributions.originals`. `files` gives the
    original's file by the id of the fake. An original that crashes its decoder, or
    takes too long, only affects its own fakes.
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
        face = face_mask(shape[1], config.margin)
        for rows, (found, is_cut, reason) in _cut_videos(
            shard, forged, files, config, workers
        ):
            has_mask = bool(rows["has_mask"].iloc[0])
            for row, original in zip(rows.index[is_cut], found, strict=True):
                crops[row] = original
                fake, mask = shard.crops[row], shard.masks[row]
                psnr[row] = psnr_outside(fake, original, mask if has_mask else face)
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
        file["frames/psnr"] = psnr
        file["frames/aligned"] = psnr >= MIN_ALIGNED_PSNR
    aligned = int((psnr >= MIN_ALIGNED_PSNR).sum())
    log.info("%d of %d frames of fakes are aligned", aligned, len(forged))
    for reason, count in sorted(reasons.items()):
        log.info("%d videos: %s", count, reason)


def _cut_videos(
    shard: FaceShard,
    forged: pd.DataFrame,
    files: Mapping[str, Path],
    config: FacesConfig,
    workers: int,
) -> Iterator[tuple[pd.DataFrame, CutCrops]]:
    """The rows of each fake in `forged`, and the crops of its original."""
    known = []
    for video, rows in forged.groupby("video"):
        if video in files:
            known.append(rows)
        else:
            yield rows, _no_crops(rows, "no original is known")
    tasks = (_task(shard, rows, files, config.decoder) for rows in known)
    results = run_in_workers(_cut, tasks, min(workers, len(known)), config.time_limit)
    for rows, result in zip(known, results, strict=True):
        if isinstance(result, Failure):
            reason = f"the original: {result.status}: {result.reason}"
            yield rows, _no_crops(rows, reason)
        else:
            yield rows, result


def _no_crops(rows: pd.DataFrame, reason: str) -> CutCrops:
    return np.zeros((0,), np.uint8), np.zeros(len(rows), bool), reason


def _task(
    shard: FaceShard, rows: pd.DataFrame, files: Mapping[str, Path], decoder: str
) -> _Task:
    video = rows.iloc[0]
    return _Task(
        path=files[video["video"]],
        numbers=rows["number"].to_numpy(),
        boxes=shard.file["frames/box"][rows.index],
        frame_size=(int(video["height"]), int(video["width"])),
        size=shard.crops.shape[1],
        decoder=decoder,
    )


def _cut(task: _Task) -> CutCrops:
    """Run `original_crops` in a worker; return only the crops that could be cut."""
    cv2.setNumThreads(1)  # workers run side by side
    crops, is_cut, reason = original_crops(
        task.path,
        task.numbers,
        task.boxes,
        frame_size=task.frame_size,
        size=task.size,
        decoder=task.decoder,
    )
    return crops[is_cut], is_cut, reason
