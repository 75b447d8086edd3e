"""The Haar cascade of Viola & Jones (2001), for machines without weights."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.detection.detector import Calibration, Detections

WINDOW = 24  # px: the size that the smallest face sought is shrunk to


class HaarDetector:
    """The Haar cascade `frontalface_alt2` inside OpenCV's wheel, on the CPU."""

    # Measured on 144 frames of real clips against dlib's boxes.
    calibration = Calibration(scale=1 / 1.11, shift=0.08)

    def __init__(self, min_face: float) -> None:
        """`min_face`: the smallest face's side, as a share of a frame's shorter side.

        Frames are shrunk until such a face is barely large enough for the cascade: that
        found as many faces as full frames did, in a quarter of the time.
        """
        self.min_face = min_face
        folder = Path(cv2.data.haarcascades)
        self.cascade = cv2.CascadeClassifier(
            str(folder / "haarcascade_frontalface_alt2.xml")
        )

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See Detector."""
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: np.ndarray) -> Detections:
        smallest = self.min_face * min(frame.shape[:2])
        scale = min(1.0, WINDOW / smallest)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            how = cv2.INTER_AREA
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)
        side = max(1, round(smallest * scale))
        found, _, weights = self.cascade.detectMultiScale3(
            grey,
            scaleFactor=1.15,
            minNeighbors=3,
            minSize=(side, side),
            outputRejectLevels=True,
        )
        boxes = np.array(found, np.float32).reshape(-1, 4) / np.float32(scale)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array(weights, np.float32).reshape(-1)
        return Detections(boxes, scores, np.full((len(boxes), 5, 2), np.nan, "f4"))
