"""Choose the frames that are explained, identify them, and check their results."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attributions.shards import KEY_COLUMNS
from pipeline.runtime.errors import StepError
from pipeline.statistics.sampling import evenly_spaced


def check_finite(
    found: dict[str, np.ndarray], rows: pd.DataFrame, weights: Path
) -> None:
    """Raise StepError if a map or a logit has values that are NaN or infinite.

    `found` is a result of `explain` for the frames `rows`; `weights` is the model's
    file, for the message.
    """
    logits = np.stack([found["logit"], found["baseline_logit"]])
    finite = np.isfinite(logits).all(0) & np.isfinite(found["maps"]).all((1, 2))
    wrong = ~finite
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise StepError(
            f"{weights}: the model's logit or its gradient is not finite for frame "
            f"{first['number']} of {first['video']} ({wrong.sum()} of {len(wrong)} "
            "frames are affected). Train this model again with a lower "
            "`learning_rate`."
        )


def choose_frames(frames: pd.DataFrame, wanted: int | None) -> pd.DataFrame:
    """Choose `wanted` evenly spaced crops of each person in each video, or all if None.

    `frames` are a face shard's labelled frames. Returns the columns KEY_COLUMNS in the
    order of the shard, where `crop` is the crop's row in the shard.
    """
    frames = frames.assign(crop=np.arange(len(frames)))[KEY_COLUMNS]
    if wanted is None:
        return frames
    parts = [
        part.iloc[evenly_spaced(len(part), wanted)]
        for _, part in frames.groupby(["video", "subject"])
    ]
    return pd.concat(parts).sort_values("crop") if parts else frames


def frame_keys(rows: pd.DataFrame) -> list[str]:
    """A unique text for each frame, from the columns video, subject and number."""
    parts = zip(rows["video"], rows["subject"], rows["number"], strict=True)
    return [f"{video} {subject} {number}" for video, subject, number in parts]
