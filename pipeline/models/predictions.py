"""Tables of predictions, one row per frame or per video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.runtime.errors import StepError

PREDICTION_COLUMNS = {
    "video": str,
    "dataset": str,
    "label": int,
    "method": str,
    "compression": str,
    "target": str,
    "source": str,
    "unit": str,
    "second_unit": str,
    "subject": int,
    "number": int,
    "timestamp": float,
    "logit": float,
    "probability": float,
}


def read_predictions(path: Path) -> pd.DataFrame:
    """The predictions of one shard, one row per frame; there may be no rows."""
    return pd.read_csv(path, dtype=PREDICTION_COLUMNS, keep_default_na=False)


def read_test_frames(paths: Sequence[Path]) -> pd.DataFrame:
    """The predictions of several shards, sorted by video, subject and frame number."""
    frames = pd.concat([read_predictions(path) for path in paths])
    return frames.sort_values(["video", "subject", "number"])


def probability(logits: np.ndarray) -> np.ndarray:
    """The probability of fake, 0..1, for logits of any shape, without overflow."""
    return np.exp(-np.logaddexp(0, -logits))


def check_both_kinds(frames: pd.DataFrame, split: str, output: Path) -> None:
    """Raise StepError unless `frames` has both real and fake frames.

    `output` is the file that needs them. The error names it.
    """
    if set(frames["label"]) != {0, 1}:
        raise StepError(
            f"{output}: the {split} split has no crops of both real and fake videos. "
            "The contact sheets of the face shards (faces/*.png) say what happened to "
            "each video: fix the failed ones, or add more videos"
        )


def per_video(frames: pd.DataFrame) -> pd.DataFrame:
    """One row per video: its own columns, its number of frames, and their mean logit.

    A video is identified by its id (data set, compression, method and name). File
    names would not suffice, because all methods use the same ones.
    """
    videos = frames.groupby("video", sort=True)
    per_frame = ["logit", "subject", "number", "timestamp", "probability"]
    own = videos.first().drop(columns=per_frame, errors="ignore")
    return own.assign(frames=videos.size(), logit=videos["logit"].mean()).reset_index()
