"""What extraction found in one video: its status, crops and frames."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.runtime.errors import StepError
from pipeline.videos.status import USABLE_STATUSES, VideoStatus


@dataclass(frozen=True)
class VideoFaces:
    """What a video gave: its status, and arrays as in the layout (n may be 0)."""

    status: VideoStatus
    reason: str = ""
    looked_at: int = 0
    total_frames: int = 0
    width: int = 0
    height: int = 0
    has_mask: bool = False
    crops: np.ndarray | None = None
    masks: np.ndarray | None = None
    frames: Mapping[str, np.ndarray] | None = None


def to_arrays(faces: VideoFaces) -> dict[str, np.ndarray]:
    """The same as named arrays, to be kept in a file; see `from_arrays`."""
    named = {"crops": faces.crops, "masks": faces.masks}
    named |= {f"frames/{name}": v for name, v in (faces.frames or {}).items()}
    plain = {k: v for k, v in vars(faces).items() if k not in ("frames", *named)}
    there = {name: values for name, values in named.items() if values is not None}
    return {"plain": np.array(json.dumps(plain)), **there}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> VideoFaces:
    """What `to_arrays` was given."""
    frames = {
        name.removeprefix("frames/"): values
        for name, values in arrays.items()
        if name.startswith("frames/")
    }
    images = {name: arrays.get(name) for name in ("crops", "masks")}
    plain = json.loads(str(arrays["plain"]))
    plain["status"] = VideoStatus(plain["status"])
    return VideoFaces(**plain, **images, frames=frames or None)


def with_problems(faces: VideoFaces, problem: str, mask_problem: str) -> VideoFaces:
    """`faces` with the reasons why its video or its mask could not be obtained.

    A reason that extraction has found as well is not repeated.
    """
    if problem and faces.status == VideoStatus.MISSING:
        return replace(faces, reason=problem)
    about_mask = f"its mask: {mask_problem}" if mask_problem else ""
    found = faces.reason
    added = [
        text
        for text, plain in ((problem, problem), (about_mask, mask_problem))
        if text and plain not in found
    ]
    return replace(faces, reason="; ".join(filter(None, [found, *added])))


def check_failures(videos: pd.DataFrame, max_failed: float, root: Path) -> None:
    """Raise StepError where too many videos gave no face; it names them."""
    failed = videos[~videos["status"].isin(USABLE_STATUSES)] if len(videos) else videos
    if len(failed) < 2 or len(failed) <= max_failed * len(videos):
        return
    worst = "\n".join(f"  {root / v.path}: {v.reason}" for v in failed.itertuples())
    raise StepError(
        f"{len(failed)} of {len(videos)} videos failed, more than the share "
        f"{max_failed} that faces.max_failed allows:\n{worst}\n"
        "Mend or fetch these files again, or raise faces.max_failed."
    )
