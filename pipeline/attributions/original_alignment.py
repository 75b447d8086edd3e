"""Cut the originals of fakes from their own videos, with the boxes of the fakes."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from pipeline.attributions.originals import FORMAT, OFFSETS, VERSION, VIDEO_COLUMNS
from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, write_table
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.workers import Failure, run_in_workers

log = logging.getLogger(__name__)

# PSNR outside the mask, on three pairs of the miniature corpus (S = 48, 96 and 224):
# the same frame has 37 to 53 dB at c23 and 28 to 42 dB at c40, another person at most
# 15 dB. The PSNR cannot tell moments apart: 15 to 32 % of the frames five away have at
# least 30 dB, and so do nearly all neighbouring frames. So the frames at OFFSETS are
# compared as well: see `best_offset`.
# At the crop's border, which is used for fakes without a mask (S = 48): 40 to 48 dB at
# c23, 32 to 40 dB at c40, another person at most 14 dB. Another recording with the same
# background would pass.
MIN_ALIGNED_PSNR = 30.0  # dB
# Share of the crop's side: forgeries are blended some pixels beyond their mask.
BLENDING_SHARE = 1 / 16
COMPARED_FRAMES = 4  # of each video, at all OFFSETS
# Another offset is better only if its error is at most this share of that of offset 0.
# In the miniature corpus the error of other offsets is at least 1.49 times as large at
# c23. At c40 it may be smaller by chance: compression smears small movements, so that a
# neighbouring frame is as good an original.
BETTER_FIT = 0.85
# A pixel is changed if its difference is at least this many times the root mean square
# difference outside the mask.
CHANGED_DEVIATIONS = 4.0
SMALLEST_CHANGE = 3.0  # levels of 255, for videos that are equal outside the forgery
CHANGE_BLUR = 1 / 64  # as a share of the side: single pixels are noise of compression


@dataclass(frozen=True)
class Compared:
    """Crops of a fake that are compared with its original at all OFFSETS.

    Attributes:
        places: (k,) int: their places among the fake's frames.
        crops: (k, S, S, 3) uint8.
        masks: (k, S, S) uint8: what is not compared.
    """

    places: np.ndarray
    crops: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class CutCrops:
    """The crops of an original, for the n frames of a fake.

    Attributes:
        is_cut: (n,) bool: which of the crops could be cut.
        crops: (m, S, S, 3) uint8: the m crops that could be cut.
        reason: why some are missing; "" if none is.
        errors: (k, OFFSETS) float64: mean squared errors of the compared crops at each
            offset; NaN where the original has no frame.
    """

    is_cut: np.ndarray
    crops: np.ndarray
    reason: str
    errors: np.ndarray = field(default_factory=lambda: np.zeros((0, len(OFFSETS))))


@dataclass(frozen=True)
class _Task:
    """The arguments of `original_crops`."""

    path: Path
    numbers: np.ndarray
    boxes: np.ndarray
    frame_size: tuple[int, int]
    size: int
    decoder: str
    compared: Compared


def original_crops(
    path: Path,
    numbers: np.ndarray,
    boxes: np.ndarray,
    *,
    frame_size: tuple[int, int],
    size: int,
    decoder: str,
    compared: Compared | None = None,
) -> CutCrops:
    """Cut boxes (n, 4) px from the frames `numbers` (n,) of an original.

    `frame_size` is (height, width) px of the fake's frames. With `compared`, these
    crops are also compared with the original's frames at all OFFSETS.
    """
    count = len(numbers)
    places = np.zeros(0, int) if compared is None else compared.places
    # The frames themselves, then each compared frame at all offsets.
    shifted = (numbers[places][:, None] + np.array(OFFSETS)).ravel()
    wanted = np.concatenate([numbers, shifted])
    cut_from = np.concatenate([np.arange(count), np.repeat(places, len(OFFSETS))])
    crops = np.zeros((len(wanted), size, size, 3), np.uint8)
    is_cut = np.zeros(len(wanted), bool)
    try:
        video = open_video(path, decoder)
        if (video.height, video.width) != frame_size:
            return _not_cut(count, "the original is of another size")
        exists = (wanted >= 0) & (wanted < video.index.total)
        for decoded, pixels in Frames(video, np.unique(wanted[exists])):
            for picture, number in zip(pixels, decoded, strict=True):
                for place in np.flatnonzero(wanted == number):
                    box = boxes[cut_from[place]]
                    crops[place] = crop(picture[None], box[None], size)[0]
                    is_cut[place] = True
    except VideoError as error:
        return _not_cut(count, f"the original: {error}")
    reason = "" if is_cut[:count].all() else "frames of the original are damaged"
    if (numbers >= video.index.total).any():
        reason = "the original ends before the fake"
    errors = np.full(len(shifted), np.nan)
    for place in np.flatnonzero(is_cut[count:]):
        assert compared is not None
        one, mask = (a[place // len(OFFSETS)] for a in (compared.crops, compared.masks))
        errors[place] = error_outside(one, crops[count + place], mask)
    return CutCrops(
        is_cut=is_cut[:count],
        crops=crops[:count][is_cut[:count]],
        reason=reason,
        errors=errors.reshape(-1, len(OFFSETS)),
    )


def _not_cut(count: int, reason: str) -> CutCrops:
    return CutCrops(np.zeros(count, bool), np.zeros((0,), np.uint8), reason)


def best_offset(errors: np.ndarray) -> float:
    """The offset, in frames, at which an original is most like its fake.

    `errors` are those of `CutCrops`. Each offset is compared with the offset 0 on the
    frames that have both; without such frames it is not considered. It is better if its
    error is at most BETTER_FIT of that of offset 0. NaN if no frame could be compared.
    """
    same = errors[:, OFFSETS.index(0), None]
    both = np.isfinite(errors) & np.isfinite(same)
    if not both.any():
        return np.nan
    sums = np.where(both, errors, 0).sum(0)
    same_sums = np.where(both, same, 0).sum(0)
    ratios = np.where(same_sums > 0, sums / np.where(same_sums > 0, same_sums, 1), 1)
    best = int(np.argmin(ratios))
    return float(OFFSETS[best]) if ratios[best] <= BETTER_FIT else 0.0


def error_outside(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared error of two crops (S, S, 3) uint8 outside a mask and its border.

    The border is BLENDING_SHARE of the side wide. NaN if no pixel is outside.
    """
    outside = _outside(mask)
    if not outside.any():
        return np.nan
    return float(np.square(one[outside].astype(np.float64) - other[outside]).mean())


def _outside(mask: np.ndarray) -> np.ndarray:
    """The pixels (S, S) bool that are neither in a mask nor near it."""
    width = 2 * round(BLENDING_SHARE * len(mask)) + 1
    return cv2.dilate(mask, np.ones((width, width), np.uint8)) == 0


def psnr_outside(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """PSNR in dB of two crops outside a mask: see `error_outside`.

    inf if the crops are equal there, NaN if no pixel is outside.
    """
    error = error_outside(one, other, mask)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def changed_pixels(
    fake: np.ndarray, original: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """The pixels (S, S) uint8, 0 or 1, in which a fake differs from its original.

    `fake` and `original` are (S, S, 3) uint8. Their difference is averaged over the
    colours and blurred by CHANGE_BLUR of the side. A pixel is changed if the result is
    at least CHANGED_DEVIATIONS times its root mean square outside `mask`, where only
    compression differs, and at least SMALLEST_CHANGE.
    """
    difference = np.abs(fake.astype(np.float32) - original).mean(2)
    smooth = cv2.GaussianBlur(difference, (0, 0), CHANGE_BLUR * len(mask))
    outside = _outside(mask)
    noise = np.sqrt(np.square(smooth[outside]).mean()) if outside.any() else 0.0
    limit = max(CHANGED_DEVIATIONS * noise, SMALLEST_CHANGE)
    return (smooth >= limit).astype(np.uint8)


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
        changed = file.create_dataset(
            "changed",
            shape[:3],
            np.uint8,
            maxshape=(None, *shape[1:3]),
            chunks=(1, *shape[1:3]),
            compression="gzip",
        )
        psnr = np.full(len(frames), np.nan, np.float32)
        is_aligned = np.zeros(len(frames), bool)
        forged = frames[frames["label"] == 1]
        videos = []
        for rows, found in _cut_videos(shard, forged, files, config, workers):
            offset = best_offset(found.errors)
            cut_rows = rows.index[found.is_cut]
            for row, original in zip(cut_rows, found.crops, strict=True):
                crops[row] = original
                fake, mask = shard.crops[row], _hidden(shard, rows.loc[row], config)
                psnr[row] = psnr_outside(fake, original, mask)
                is_aligned[row] = offset == 0 and psnr[row] >= MIN_ALIGNED_PSNR
                if is_aligned[row]:
                    changed[row] = changed_pixels(fake, original, mask)
            videos.append(_summary(rows, found, offset, psnr, is_aligned))
        file["frames/psnr"] = psnr
        file["frames/aligned"] = is_aligned
        table = pd.DataFrame(videos, columns=VIDEO_COLUMNS)
        write_table(file.create_group("videos"), table)
    log.info("%d of %d frames of fakes are aligned", is_aligned.sum(), len(forged))
    given = table.loc[table["reason"] != "", "reason"]
    for reason, count in given.value_counts().items():
        log.info("%d videos: %s", count, reason)


def _hidden(shard: FaceShard, row: pd.Series, config: FacesConfig) -> np.ndarray:
    """Where a fake may differ from its original: its mask, or the face without one."""
    if row["has_mask"]:
        return shard.masks[row.name]
    return face_mask(shard.crops.shape[1], config.margin)


def _summary(
    rows: pd.DataFrame,
    found: CutCrops,
    offset: float,
    psnr: np.ndarray,
    is_aligned: np.ndarray,
) -> dict[str, Any]:
    """The row of a fake in the table of videos."""
    known = psnr[rows.index][found.is_cut]
    return {
        **rows.iloc[0][["video", "dataset", "compression", "method"]],
        "frames": len(rows),
        "cut": int(found.is_cut.sum()),
        "aligned": int(is_aligned[rows.index].sum()),
        "best_offset": offset,
        "psnr": float(np.median(known)) if len(known) else np.nan,
        "reason": found.reason,
    }


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
            yield rows, _not_cut(len(rows), "no original is known")
    tasks = (_task(shard, rows, files, config) for rows in known)
    results = run_in_workers(_cut, tasks, min(workers, len(known)), config.time_limit)
    for rows, result in zip(known, results, strict=True):
        if isinstance(result, Failure):
            reason = f"the original: {result.status}: {result.reason}"
            yield rows, _not_cut(len(rows), reason)
        else:
            yield rows, result


def _task(
    shard: FaceShard, rows: pd.DataFrame, files: Mapping[str, Path], config: FacesConfig
) -> _Task:
    video = rows.iloc[0]
    places = evenly_spaced(len(rows), COMPARED_FRAMES)
    chosen = rows.iloc[places]
    masks = [_hidden(shard, row, config) for _, row in chosen.iterrows()]
    compared = Compared(places, shard.crops[chosen.index], np.stack(masks))
    return _Task(
        path=files[video["video"]],
        numbers=rows["number"].to_numpy(),
        boxes=shard.file["frames/box"][rows.index],
        frame_size=(int(video["height"]), int(video["width"])),
        size=shard.crops.shape[1],
        decoder=config.decoder,
        compared=compared,
    )


def _cut(task: _Task) -> CutCrops:
    """Run `original_crops` in a worker."""
    cv2.setNumThreads(1)  # workers run side by side
    return original_crops(**vars(task))
