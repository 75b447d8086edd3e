"""Face shards: the HDF5 files that hold a shard's crops and what is known of them.

Layout (version 2), N crops of V videos:

    crops             (N, S, S, 3) uint8 RGB, not compressed
    masks             (N, S, S) uint8, 1 where a fake was manipulated
    frames/video      (N,) int32, row in `videos`
    frames/subject    (N,) int32, which of the video's faces; 0 is the main one
    frames/number     (N,) int32, frame in the video, from 0
    frames/timestamp  (N,) float64 s
    frames/box        (N, 4) int32 px: left, top, right, bottom of the crop
    frames/alignment  (N, 2, 3) float32: frame px to px of an aligned S x S picture, NaN
    frames/face       (N, 4) float32 px: the detector's box, or an interpolated one
    frames/landmarks  (N, 5, 2) float32 px, NaN where unknown
    frames/score      (N,) float32 of the detector, NaN where interpolated
    frames/interpolated (N,) bool
    videos/<column>   (V,): id, split, label, ..., status, reason; every video is here
    attributes        format, version, provenance (JSON)

Crops are stored as they are, an image a chunk: in shuffled order they are read nine to
twelve times as fast as with lzf or gzip, which save a third to a half
(benchmarks/shard_format.py), and training reads each crop once an epoch.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.faces.video_faces import VideoFaces
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked, read_table, write_table

FORMAT, VERSION = "deepfake-atlas faces", 2

# What the shard's table says of each video beside the columns that it came with;
# `looked_at` counts frames, `detected` crops whose face was found, not interpolated.
OUTCOME = {
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
    """Appends videos one by one, so that memory does not grow with their number."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self.file, self.rows = file, []
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
        }
        self.frames = {
            name: file.create_dataset(
                f"frames/{name}", (0, *item), kind, maxshape=(None, *item), chunks=True
            )
            for name, (item, kind) in kinds.items()
        }

    def add(self, video: Mapping[str, Any], faces: VideoFaces) -> None:
        """Append a video: its row of the table, and what came of it."""
        count = 0 if faces.crops is None else len(faces.crops)
        known = faces.frames or {"subject": np.zeros(0), "interpolated": np.zeros(0)}
        counts = {
            "subjects": len(np.unique(known["subject"])),
            "crops": count,
            "detected": count - int(known["interpolated"].sum()),
        }
        told = {name: getattr(faces, name) for name in OUTCOME if name not in counts}
        self.rows.append({**video, **counts, **told})
        if faces.crops is None:
            return
        assert faces.masks is not None
        assert faces.frames is not None
        index = np.full(count, len(self.rows) - 1)
        _append(self.file["crops"], faces.crops)
        _append(self.file["masks"], faces.masks)
        for name, values in {"video": index, **faces.frames}.items():
            _append(self.frames[name], values)

    def finish(self, columns: Mapping[str, type]) -> None:
        """Write the table of videos; `columns` are those of `add`'s rows, and types."""
        kinds = {**columns, **OUTCOME}
        table = pd.DataFrame(self.rows, columns=list(kinds)).astype(kinds)
        write_table(self.file.create_group("videos"), table)


def _append(dataset: h5py.Dataset, values: np.ndarray) -> None:
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


@contextmanager
def writing_faces(
    path: Path, size: int, provenance: Mapping[str, Any], columns: Mapping[str, type]
) -> Iterator[FaceShardWriter]:
    """A writer to a new shard, which appears at `path` only when all went well."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, FORMAT, VERSION, provenance)
        writer = FaceShardWriter(file, size)
        yield writer
        writer.finish(columns)


class FaceShard:
    """Reads a face shard; open it in a `with` block.

    Attributes: `crops` and `masks` (h5py datasets: index them for arrays), `frames`
    (a DataFrame, one row a crop: video, subject, number, timestamp, score,
    interpolated) and `videos` (a DataFrame, one row a video).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = open_marked(self.path, FORMAT, VERSION)
        self.crops: h5py.Dataset = self.file["crops"]
        self.masks: h5py.Dataset = self.file["masks"]
        names = "video subject number timestamp score interpolated".split()
        self.frames = pd.DataFrame({n: self.file[f"frames/{n}"][:] for n in names})
        self.videos = read_table(self.file["videos"])

    def __enter__(self) -> "FaceShard":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def labelled_frames(self) -> pd.DataFrame:
        """One row a crop, in the crops' order: its frame's and its video's columns."""
        videos = self.videos.loc[self.frames["video"]].reset_index(drop=True)
        return videos.assign(**self.frames[["subject", "number", "timestamp"]])
