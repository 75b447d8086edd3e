"""Choose and identify the frames that are explained."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attributions.shards import KEYS
from pipeline.runtime.errors import StepError
from pipeline.statistics.sampling import evenly_spaced


def check_finite(
    found: dict[str, np.ndarray], rows: pd.DataFrame, weights: Path
) -> None:
    """Raise StepError if a map has values that are no numbers, or a logit is none."""
    logits = np.stack([found["logit"], found["baseline_logit"]])
    finite = np.isfinite(logits).all(0) & np.isfinite(found["maps"]).all((1, 2))
    wrong = ~finite
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise StepError(
            f"{weights}: the model's logit or its gradient is not finite on the way to "
            f"frame {first['number']} of {first['video']} ({wrong.sum()} of "
            f"{len(wrong)} frames). Train this model again, with a lower "
            "`learning_rate`."
        )


def choose_frames(frames: pd.DataFrame, wanted: int | None) -> pd.DataFrame:
    """`wanted` evenly spaced crops of each person in each video (all if None), with
    their row."""
    frames = frames.assign(crop=np.arange(len(frames)))[KEYS]
    if wanted is None:
        return frames
    parts = [
        part.iloc[evenly_spaced(len(part), wanted)]
        for _, part in frames.groupby(["video", "subject"])
    ]
    return pd.concat(parts).sort_values("crop") if parts else frames


def frame_keys(rows: pd.DataFrame) -> list[str]:
    """A text for each frame that tells it from all others."""
    parts = zip(rows["video"], rows["subject"], rows["number"], strict=True)
    return [f"{video} {subject} {number}" for video, subject, number in parts]
