"""Face and attribution shards made from arrays, for tests that need no videos."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.shards import KEY_COLUMNS, writing_attributions
from pipeline.faces.detection.calibration import face_detector_entry
from pipeline.faces.shards import FaceShard, writing_faces
from pipeline.faces.video_faces import VideoFaces

# The provenance of all face shards that are made here.
PROVENANCE = {"face_detector": face_detector_entry("haar")}
COLUMNS = dict.fromkeys(
    "video dataset compression method target source unit second_unit original".split(),
    str,
)
MAP_SIZE = 36  # pixels


def write_faces(
    path: Path,
    videos: list[dict],
    crops: list[np.ndarray],
    masks: list[np.ndarray],
    alignment: np.ndarray | None = None,
    provenance: dict = PROVENANCE,
    landmarks: np.ndarray | None = None,
) -> None:
    """Write a face shard.

    `videos` are rows of the table. `crops` has an array (N, S, S, 3) uint8 for each
    video, and `masks` an array (N, S, S) uint8. `alignment` is (2, 3) or (N, 2, 3), and
    `landmarks` (N, 5, 2), the same for all videos.
    """
    size = crops[0].shape[1]
    with writing_faces(path, size, provenance, COLUMNS | {"label": int}) as shard:
        for row, pictures, marks in zip(videos, crops, masks, strict=True):
            count = len(pictures)
            matrix = np.full((2, 3), np.nan) if alignment is None else alignment
            frames = {
                "subject": np.zeros(count),
                "number": np.arange(count),
                "timestamp": np.arange(count) / 25,
                "box": np.tile([0, 0, size, size], (count, 1)),
                "face": np.zeros((count, 4)),
                "landmarks": (
                    np.full((count, 5, 2), np.nan) if landmarks is None else landmarks
                ),
                "alignment": np.broadcast_to(matrix, (count, 2, 3)),
                "score": np.ones(count),
                "interpolated": np.zeros(count, bool),
                "has_mask": np.full(count, marks.any()),
            }
            faces = VideoFaces(
                "ok",
                crops=pictures,
                masks=marks,
                frames=frames,
                has_mask=bool(marks.any()),
            )
            shard.add(row, faces)


def write_maps(
    path: Path, frames: pd.DataFrame, maps: np.ndarray, logits: np.ndarray
) -> None:
    """Write an attribution shard.

    `frames` are the N labelled frames of a face shard. `maps` is (N, S, S) float. The
    logit of the baseline is 0, and the completeness error is computed from `maps`.
    """
    stored = maps.astype(np.float16)
    sums, norms = (part.sum((1, 2), dtype=float) for part in (stored, np.abs(stored)))
    error = completeness_error(sums, logits, norms)
    found = {"logit": logits, "baseline_logit": 0.0, "attribution_sum": sums}
    found |= {"completeness_error": error, "converged": error <= 0.05}
    found |= {"interval_error": error, "map_error": 0.1, "pixel_error": 0.2}
    found |= {"draw_error": np.nan, "steps": 9, "baseline_video": ""}
    rows = frames.assign(crop=np.arange(len(frames)))[KEY_COLUMNS].assign(**found)
    with writing_attributions(path, maps.shape[1], {}, "black") as out:
        out.add(stored, 0.1 * stored, np.abs(stored), rows)


def row(number: int, method: str, dataset: str = "data") -> dict:
    """The row of the table for a video of person `number`, made by `method`."""
    name = f"{dataset}/c23/{method}/{number:03d}"
    target, source = f"{number:03d}", "" if method == "real" else "999"
    words = (
        name,
        dataset,
        "c23",
        method,
        target,
        source,
        f"{dataset}/{target}",
        "",
        "",
    )
    return dict(zip(COLUMNS, words, strict=True)) | {"label": int(method != "real")}


def write_marked_shard(
    path, videos=8, marked=True, frames=4, methods=("A",), provenance=PROVENANCE
):
    """Write a face shard of noise. If `marked`, fakes have a bright square.

    A small network learns the square within a few steps.
    """
    rng = np.random.default_rng(0)
    with writing_faces(path, 48, provenance, COLUMNS | {"label": int}) as shard:
        for index in range(videos):
            label = index % 2
            crops = rng.integers(60, 120, (frames, 48, 48, 3), np.uint8)
            if label and marked:
                crops[:, 10:30, 10:30] += 100
            zeros = np.zeros(frames)
            columns = {
                "subject": zeros,
                "number": np.arange(frames),
                "timestamp": np.arange(float(frames)),
                "box": np.zeros((frames, 4)),
                "face": np.zeros((frames, 4)),
                "landmarks": np.zeros((frames, 5, 2)),
                "alignment": np.zeros((frames, 2, 3)),
                "score": zeros,
                "interpolated": zeros.astype(bool),
                "has_mask": zeros.astype(bool),
            }
            row = {
                "video": f"{path.stem}/v{index}",
                "dataset": "d",
                "compression": "c40" if index % 8 > 3 else "c23",
                "method": methods[index // 2 % len(methods)] if label else "real",
                "target": str(index // 2),
                "source": "",
                "unit": f"d/{index // 2}",
                "second_unit": "",
                "original": "",
                "label": label,
            }
            masks = np.zeros((frames, 48, 48), np.uint8)
            faces = VideoFaces("ok", crops=crops, masks=masks, frames=columns)
            shard.add(row, faces)
    return path


def make_map_shard(
    folder, name, people, seed, frames=2, spot=0.0, methods=("A", "real")
):
    """Write a face shard and an attribution shard.

    The maps are noise. Fakes have a spot on the chin whose sum is `spot` logits.
    Returns the paths of the maps and the faces, and the unrounded maps, (N, S, S).
    """
    rng = np.random.default_rng(seed)
    videos = [row(person, method) for person in people for method in methods]
    shape = (frames, MAP_SIZE, MAP_SIZE)
    crops = [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for _ in videos]
    masks = [np.full(shape, video["label"], np.uint8) for video in videos]
    for mask in masks:
        mask[:, : MAP_SIZE // 2] = 0
    faces, maps_path = folder / "faces" / f"{name}.h5", folder / "maps" / f"{name}.h5"
    write_faces(faces, videos, crops, masks)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    maps = rng.normal(0, 0.01, (len(table), MAP_SIZE, MAP_SIZE))
    fake = table["label"].to_numpy() == 1
    maps[fake, 30:33, 15:21] += spot / 18
    logits = maps.sum((1, 2)) + rng.normal(0, 0.001, len(table))
    write_maps(maps_path, table, maps, logits)
    return maps_path, faces, maps
