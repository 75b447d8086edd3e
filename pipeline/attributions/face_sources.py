"""The files that the faces of baselines are read from."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.attributions.originals import Originals
from pipeline.attributions.real_faces import RealFaces
from pipeline.attributions.references import References
from pipeline.config.baseline_names import ORIGINAL
from pipeline.faces.shards import described
from pipeline.runtime.errors import StepError

FaceSource = References | RealFaces | Originals | None


def open_source(
    baseline: str,
    *,
    references: Path | None,
    real_faces: Path | None,
    originals: Path | None,
) -> AbstractContextManager[FaceSource]:
    """The file of the faces that a baseline is made from; None if it needs none."""
    if baseline == ORIGINAL and originals:
        return Originals(originals)
    if baseline == "nearest_real" and real_faces:
        return RealFaces(real_faces)
    if baseline == "mean_face" and references:
        return References(references)
    return nullcontext()


def check_same_faces(
    source: FaceSource, file: Path | None, faces: Path, face_detector: dict[str, Any]
) -> None:
    """Raise StepError unless the faces of baselines and of crops were found alike.

    `source` was read from `file`, and the crops are those of the shard `faces`, whose
    face detector is `face_detector`. Originals are cut in the boxes of the crops.
    """
    if not isinstance(source, References | RealFaces):
        return
    if source.face_detector != face_detector:
        raise StepError(
            f"{file}: its faces were found with {described(source.face_detector)}, but "
            f"those of {faces} with {described(face_detector)}; delete it and run "
            "Snakemake again"
        )


def faces_for(
    source: FaceSource, crops: np.ndarray, rows: pd.DataFrame
) -> tuple[np.ndarray | None, np.ndarray]:
    """The faces (N, S, S, 3) that the baselines of crops are made from, if any, and the
    videos that they show, (N,) text: "" if it is not one video.

    `rows` are the frames of the crops (N, S, S, 3).
    """
    nothing = np.full(len(rows), "")
    if isinstance(source, Originals):
        return source.crops_of(rows["crop"].to_numpy()), rows["original"].to_numpy(str)
    if isinstance(source, RealFaces):
        places = source.nearest(crops, rows)
        videos = source.frames["video"].to_numpy(str)[places]
        return source.crops_of(places), videos
    if isinstance(source, References):
        return np.broadcast_to(source.mean_face, crops.shape), nothing
    return None, nothing
