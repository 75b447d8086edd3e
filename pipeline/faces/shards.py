"""Face shards: HDF5 files with the crops of a shard and a description of each crop.

Layout (version 3), N crops of V videos:

    crops             (N, S, S, 3) uint8 RGB, not compressed
    masks             (N, S, S) uint8, 1 where a fake was manipulated
    frames/video      (N,) int32, row in `videos`
    frames/subject    (N,) int32, number of the person in the video; 0 is the main one
    frames/number     (N,) int32, frame number in the video, from 0
    frames/timestamp  (N,) float64 s
    frames/box        (N, 4) int32 px: left, top, right, bottom of the crop
    frames/alignment  (N, 2, 3) float32: matrix from px of the frame to px of an aligned
                      S x S picture; NaN where landmarks are unknown
    frames/face       (N, 4) float32 px: the detected or interpolated face box
    frames/landmarks  (N, 5, 2) float32 px; NaN where unknown
    frames/score      (N,) float32, score of the face detector; NaN where interpolated
    frames/interpolated (N,) bool, whether the face was not detected in this frame
    frames/has_mask   (N,) bool, whether the mask of this crop is known
    videos/<column>   (V,), one row for every video, also for those without crops
    attributes        format, version, provenance (JSON). Its entry `face_detector` has
                      name, scale and shift: see `BoxCalibration`

Crops are stored without compression, with one chunk for each image. Training reads each
crop once in an epoch, in shuffled order. This is nine to twelve times as fast as with
lzf or gzip, which would save a third to a half of the space
(benchmarks/shard_format.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.faces.video_faces import VideoFaces
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table
from pipeline.runtime.errors import StepError

FORMAT, VERSION = "deepfake-atlas faces", 3

# Columns that extraction adds to the table of videos, with their types. `looked_at` is
# the number of examined frames. `detected` is the number of crops with a detected face,
# so without interpolated ones.
OUTCOME_COLUMNS = {
    "status": str,
    "reason": str,
    "subjects": int,
    "looked_at": int,
    "crops": int,
    "detected": int,
    "total_frames": int,
    "width": int,
    "height": int,
    "has_mask": bool,
}


class FaceShardWriter:
    """Appends videos one by one, so that memory does not grow with their number.

    Attributes: `rows` (one dict for each video that was added).
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file = file
        self.rows: list[dict[str, Any]] = []
        for name, image in (("crops", (size, size, 3)), ("masks", (size, size))):
            file.create_dataset(
                name,
                (0, *image),
                np.uint8,
                maxshape=(None, *image),
                chunks=(1, *image),
                compression="gzip" if name == "masks" else None,
            )
        kinds = {
            "video": ((), np.int32),
            "subject": ((), np.int32),
            "number": ((), np.int32),
            "timestamp": ((), np.float64),
            "box": ((4,), np.int32),
            "face": ((4,), np.float32),
            "landmarks": ((5, 2), np.float32),
            "alignment": ((2, 3), np.float32),
            "score": ((), np.float32),
            "interpolated": ((), np.bool_),
            "has_mask": ((), np.bool_),
        }
        self.frames = {
            name: file.create_dataset(
                f"frames/{name}", (0, *item), kind, maxshape=(None, *item), chunks=True
            )
            for name, (item, kind) in kinds.items()
        }

    def add(self, video: Mapping[str, Any], faces: VideoFaces) -> None:
        """Append the result of a video. `video` is the row of its table."""
        count = 0 if faces.crops is None else len(faces.crops)
        known = faces.frames or {"subject": np.zeros(0), "interpolated": np.zeros(0)}
        counts = {
            "subjects": len(np.unique(known["subject"])),
            "crops": count,
            "detected": count - int(known["interpolated"].sum()),
        }
        others = [name for name in OUTCOME_COLUMNS if name not in counts]
        outcome = {name: getattr(faces, name) for name in others}
        self.rows.append({**video, **counts, **outcome})
        if faces.crops is None:
            return
        assert faces.masks is not None
        assert faces.frames is not None
        video_rows = np.full(count, len(self.rows) - 1)
        _append(self.file["crops"], faces.crops)
        _append(self.file["masks"], faces.masks)
        for name, values in {"video": video_rows, **faces.frames}.items():
            _append(self.frames[name], values)

    def finish(self, columns: Mapping[str, type]) -> None:
        """Write the table of videos. `columns` has the type of each column of `add`."""
        types = {**columns, **OUTCOME_COLUMNS}
        table = pd.DataFrame(self.rows, columns=list(types)).astype(types)
        write_table(self.file.create_group("videos"), table)


def _append(dataset: h5py.Dataset, values: np.ndarray) -> None:
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


@contextmanager
def writing_faces(
    path: Path, size: int, provenance: Mapping[str, Any], columns: Mapping[str, type]
) -> Iterator[FaceShardWriter]:
    """Yield a writer of a new shard. The file appears at `path` only on success.

    `size` is the side of crops in px. `columns` has the type of each column of the
    table of videos that is passed to `FaceShardWriter.add`.
    """
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        writer = FaceShardWriter(file, size)
        yield writer
        writer.finish(columns)


class FaceShard:
    """Reads a face shard. Use it in a `with` block.

    Attributes: `crops` and `masks` (h5py datasets, which return arrays when indexed),
    `frames` (a DataFrame with one row for each crop: video, subject, number, timestamp,
    score, interpolated, has_mask) and `videos` (a DataFrame with one row for each
    video).
    Raises StepError for a damaged file and for another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = open_marked(self.path, FORMAT, VERSION)
        self.crops: h5py.Dataset = self.file["crops"]
        self.masks: h5py.Dataset = self.file["masks"]
        names = "video subject number timestamp score interpolated has_mask".split()
        self.frames = pd.DataFrame({n: self.file[f"frames/{n}"][:] for n in names})
        self.videos = read_table(self.file["videos"])

    def __enter__(self) -> "FaceShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def labelled_frames(self) -> pd.DataFrame:
        """One row for each crop, in their order: columns of its frame and its video.

        `has_mask` is that of the frame.
        """
        videos = self.videos.loc[self.frames["video"]].reset_index(drop=True)
        own = ["subject", "number", "timestamp", "has_mask"]
        return videos.assign(**self.frames[own])


def any_landmarks(paths: Sequence[Path]) -> bool:
    """Whether a crop of these shards has an alignment, so that landmarks were found."""
    for path in paths:
        with open_marked(path, FORMAT, VERSION) as file:
            if np.isfinite(file["frames/alignment"][:]).all((1, 2)).any():
                return True
    return False


def face_detector_of(path: Path) -> dict[str, Any]:
    """The entry `face_detector` of a face shard: name, scale and shift.

    Raises StepError if the shard has none.
    """
    with open_marked(path, FORMAT, VERSION) as file:
        entry = json.loads(file.attrs["provenance"]).get("face_detector")
    if not entry:
        raise StepError(
            f"{path}: does not say which face detector made it; delete it and run "
            "Snakemake again"
        )
    return dict(entry)


def common_face_detector(paths: Sequence[Path]) -> dict[str, Any]:
    """The entry `face_detector` that all shards have. There is at least one shard.

    Raises StepError if they differ: such crops must not be mixed.
    """
    first, *others = paths
    expected = face_detector_of(first)
    for path in others:
        found = face_detector_of(path)
        if found != expected:
            raise StepError(
                f"{path}: its crops were made with {described(found)}, but those of "
                f"{first} with {described(expected)}. Crops of different face "
                "detectors cannot be used together. Set faces.detector to one of them, "
                "delete the other file and run Snakemake again."
            )
    return expected


def described(face_detector: Mapping[str, Any]) -> str:
    """An entry `face_detector` in words."""
    scale, shift = face_detector["scale"], face_detector["shift"]
    return f"{face_detector['name']} (scale {scale:.3f}, shift {shift:.3f})"
