"""Predictions over frames and over videos."""

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
    "subject": int,
    "number": int,
    "timestamp": float,
    "logit": float,
    "probability": float,
}


def read_predictions(path: Path) -> pd.DataFrame:
    """A table of frames' predictions; it may have no row."""
    return pd.read_csv(path, dtype=PREDICTION_COLUMNS, keep_default_na=False)


def read_test_frames(paths: Sequence[Path]) -> pd.DataFrame:
    """The predictions of several shards in one table, in the order of their frames."""
    frames = pd.concat([read_predictions(path) for path in paths])
    return frames.sort_values(["video", "subject", "number"])


def probability(logits: np.ndarray) -> np.ndarray:
    """Probability of fake, 0..1, of logits of any shape; none is too large."""
    return np.exp(-np.logaddexp(0, -logits))


def check_both_kinds(frames: pd.DataFrame, split: str, output: Path) -> None:
    """Raise StepError unless `frames` has real and fake ones, which `output` needs."""
    if set(frames["label"]) != {0, 1}:
        raise StepError(
            f"{output}: the {split} split has no crops of both real and fake videos: "
            "the face shards' contact sheets (faces/*.png) say what became of each; "
            "mend those, or take more videos"
        )


def per_video(frames: pd.DataFrame) -> pd.DataFrame:
    """One row a video: its own columns, and the mean of its frames' logits.

    A video is known by its whole id (data set, compression, method and name), never
    by its file name: that is the same for every method.
    """
    videos = frames.groupby("video", sort=True)
    per_frame = ["logit", "subject", "number", "timestamp", "probability"]
    own = videos.first().drop(columns=per_frame, errors="ignore")
    return own.assign(frames=videos.size(), logit=videos["logit"].mean()).reset_index()
