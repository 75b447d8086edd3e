"""Face and attribution shards made of arrays, for what needs no videos."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attribution_shards import KEYS, writing_attributions
from pipeline.completeness import completeness_error
from pipeline.face_shards import VideoFaces, writing_faces

COLUMNS = dict.fromkeys("video dataset compression method target source".split(), str)


def write_faces(
    path: Path,
    videos: list[dict],
    crops: list[np.ndarray],
    masks: list[np.ndarray],
    alignment: np.ndarray | None = None,
) -> None:
    """A face shard of `videos` (rows of the table), with crops and masks of each."""
    size = crops[0].shape[1]
    with writing_faces(path, size, {}, COLUMNS | {"label": int}) as shard:
        for row, pictures, marks in zip(videos, crops, masks, strict=True):
            count = len(pictures)
            turn = np.full((count, 2, 3), np.nan) if alignment is None else alignment
            frames = {
                "subject": np.zeros(count),
                "number": np.arange(count),
                "timestamp": np.arange(count) / 25,
                "box": np.tile([0, 0, size, size], (count, 1)),
                "face": np.zeros((count, 4)),
                "landmarks": np.full((count, 5, 2), np.nan),
                "alignment": np.broadcast_to(turn, (count, 2, 3)),
                "score": np.ones(count),
                "interpolated": np.zeros(count, bool),
            }
            known = bool(marks.any())
            faces = VideoFaces(
                "ok", crops=pictures, masks=marks, frames=frames, has_mask=known
            )
            shard.add(row, faces)


def write_maps(
    path: Path, frames: pd.DataFrame, maps: np.ndarray, logits: np.ndarray
) -> None:
    """An attribution shard from a baseline of logit 0 whose maps are complete but for
    rounding; `frames` are a face shard's labelled frames."""
    stored = maps.astype(np.float16)
    sums = stored.sum((1, 2), dtype=np.float64)
    error = completeness_error(sums, logits)
    found = {"logit": logits, "baseline_logit": 0.0, "attribution_sum": sums}
    found |= {"completeness_error": error, "converged": error <= 0.05}
    found |= {"steps": 9, "aligned": False}
    rows = frames.assign(crop=np.arange(len(frames)))[KEYS].assign(**found)
    with writing_attributions(path, maps.shape[1], {}, "black") as out:
        out.add(stored, rows)


def row(number: int, method: str, dataset: str = "data") -> dict:
    """The table's row of a video of the method of person `number`."""
    name = f"{dataset}/c23/{method}/{number:03d}"
    target, source = f"{number:03d}", "" if method == "real" else "999"
    words = (name, dataset, "c23", method, target, source)
    return dict(zip(COLUMNS, words, strict=True)) | {"label": int(method != "real")}
