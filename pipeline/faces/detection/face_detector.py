"""What a face detector is given, and what it gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

GROUP = 8  # frames in a row that a detector may look at together


@dataclass(frozen=True)
class Detections:
    """Faces found in one frame; K may be 0."""

    boxes: np.ndarray  # (K, 4) float32: left, top, right, bottom in px
    scores: np.ndarray  # (K,) float32, higher is surer; scale hangs on the detector
    landmarks: np.ndarray  # (K, 5, 2) float32 px: eyes, nose, mouth corners; or NaN


@dataclass(frozen=True)
class BoxCalibration:
    """How a detector's box differs from dlib's, which FaceForensics++ crops by.

    Dlib's box has `scale` times the side, and its centre lies `shift` sides lower.
    """

    scale: float
    shift: float


class FaceDetector(Protocol):
    """Anything that finds faces."""

    calibration: BoxCalibration

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """Find the faces of each of `frames`, (N, H, W, 3) uint8 RGB.

        They are a video's, in their order, and begin a group of GROUP.
        """
        ...
