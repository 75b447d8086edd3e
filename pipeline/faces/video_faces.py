"""The result of extraction for one video: status, crops and frames."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.runtime.errors import StepError
from pipeline.videos.status import USABLE_STATUSES, VideoStatus


@dataclass(frozen=True)
class VideoFaces:
    """The result for a video: its status, and arrays as in the layout of the face
    shard.

    The arrays are None if the video has no usable status.
    """

    status: VideoStatus
    reason: str = ""
    looked_at: int = 0  # examined frames
    total_frames: int = 0
    width: int = 0
    height: int = 0
    has_mask: bool = False
    crops: np.ndarray | None = None  # (N, S, S, 3) uint8 RGB
    masks: np.ndarray | None = None  # (N, S, S) uint8, 0 or 1
    frames: Mapping[str, np.ndarray] | None = None  # columns of N rows


def to_arrays(faces: VideoFaces) -> dict[str, np.ndarray]:
    """A result as named arrays, for a file. `from_arrays` is the inverse."""
    named = {"crops": faces.crops, "masks": faces.masks}
    named |= {f"frames/{name}": v for name, v in (faces.frames or {}).items()}
    plain = {k: v for k, v in vars(faces).items() if k not in ("frames", *named)}
    known = {name: values for name, values in named.items() if values is not None}
    return {"plain": np.array(json.dumps(plain)), **known}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> VideoFaces:
    """The result that `to_arrays` turned into `arrays`."""
    frames = {
        name.removeprefix("frames/"): values
        for name, values in arrays.items()
        if name.startswith("frames/")
    }
    plain: dict[str, Any] = json.loads(str(arrays["plain"]))
    plain["status"] = VideoStatus(plain["status"])
    crops, masks = arrays.get("crops"), arrays.get("masks")
    return VideoFaces(**plain, crops=crops, masks=masks, frames=frames or None)


def with_problems(faces: VideoFaces, problem: str, mask_problem: str) -> VideoFaces:
    """Add the reasons why the video or its mask could not be obtained ("" for none).

    A reason that extraction also found is not repeated.
    """
    if problem and faces.status == VideoStatus.MISSING:
        return replace(faces, reason=problem)
    about_mask = f"its mask: {mask_problem}" if mask_problem else ""
    found = faces.reason
    added = [
        text
        for text, reason in ((problem, problem), (about_mask, mask_problem))
        if text and reason not in found
    ]
    return replace(faces, reason="; ".join(filter(None, [found, *added])))


def check_failures(videos: pd.DataFrame, max_failed: float, root: Path) -> None:
    """Raise StepError that names the failed videos if they are too many.

    A failed video has no crops. `max_failed` is the largest allowed share of failed
    videos. A single failed video is always allowed.
    """
    failed = videos[~videos["status"].isin(USABLE_STATUSES)] if len(videos) else videos
    if len(failed) < 2 or len(failed) <= max_failed * len(videos):
        return
    listed = "\n".join(f"  {root / v.path}: {v.reason}" for v in failed.itertuples())
    raise StepError(
        f"{len(failed)} of {len(videos)} videos failed, more than the share "
        f"{max_failed} that faces.max_failed allows:\n{listed}\n"
        "Repair these files or download them again, or raise faces.max_failed."
    )
