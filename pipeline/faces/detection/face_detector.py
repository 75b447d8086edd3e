"""The interface of face detectors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

GROUP_SIZE = 8  # number of consecutive frames that a detector may examine together


@dataclass(frozen=True)
class Detections:
    """The K faces found in one frame; K may be 0."""

    boxes: np.ndarray  # (K, 4) float32: left, top, right, bottom in px
    scores: (
        np.ndarray
    )  # (K,) float32, higher is more certain; each detector has its scale
    landmarks: np.ndarray  # (K, 5, 2) float32 px: eyes, nose, mouth corners; may be NaN


@dataclass(frozen=True)
class BoxCalibration:
    """How boxes of a detector differ from those of dlib, which FaceForensics++ uses.

    The side of dlib's box is `scale` times as long. Its centre is lower by `shift`
    times this side.
    """

    scale: float
    shift: float


class FaceDetector(Protocol):
    """A face detector."""

    calibration: BoxCalibration

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """Find the faces in each of `frames`, (N, H, W, 3) uint8 RGB.

        The frames are of one video, in their order. The first frame starts a group of
        GROUP_SIZE frames.
        """
        ...
