"""A face shard of given crops, to measure what reads it."""

from pathlib import Path

import numpy as np

from pipeline.faces.detection.calibration import face_detector_entry
from pipeline.faces.shards import writing_faces
from pipeline.faces.video_faces import VideoFaces

TEXT_COLUMNS = "video dataset compression method target source".split()


def write_shard(crops: np.ndarray, path: Path) -> None:
    """Write a face shard of one real and one fake video, each with half the crops."""
    columns = dict.fromkeys(TEXT_COLUMNS, str) | {"label": int}
    provenance = {"face_detector": face_detector_entry("haar")}
    shapes = {"box": (4,), "face": (4,), "landmarks": (5, 2), "alignment": (2, 3)}
    shapes |= dict.fromkeys(("subject", "number", "timestamp", "score"), ())
    with writing_faces(path, crops.shape[1], provenance, columns) as shard:
        for label, part in enumerate(np.array_split(crops, 2)):
            rows = {n: np.zeros((len(part), *shape)) for n, shape in shapes.items()}
            rows["interpolated"] = np.zeros(len(part), bool)
            rows["has_mask"] = np.zeros(len(part), bool)
            masks = np.zeros(part.shape[:3], np.uint8)
            faces = VideoFaces("ok", crops=part, masks=masks, frames=rows)
            kind = ("real", "Deepfakes")[label]
            row = dict.fromkeys(TEXT_COLUMNS, "given")
            row |= {"video": kind, "method": kind, "label": label}
            shard.add(row, faces)
