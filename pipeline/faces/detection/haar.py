"""The Haar cascade of Viola & Jones (2001), for machines without weights."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.faces.detection.face_detector import GROUP, BoxCalibration, Detections

WINDOW = 24  # px: the size that the smallest face sought is shrunk to
AROUND = 0.5  # sides about a face within which the next frame's is looked for
SMALLER, LARGER = 0.75, 1.33  # its side, as parts of the one before


class HaarDetector:
    """The Haar cascade `frontalface_alt2` inside OpenCV's wheel, on the CPU."""

    # Measured on 144 frames of real clips against dlib's boxes.
    calibration = BoxCalibration(scale=1 / 1.11, shift=0.08)

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
        """See Detector.

        The first frame of each group is searched all over, the others where faces were
        found in the frame before, and all over if one is not found there again. That
        takes less than half the time, and finds the same boxes to some 2 % of a side.
        """
        found: list[Detections] = []
        for number, frame in enumerate(frames):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            again = self._follow(grey, found[-1].boxes) if number % GROUP else None
            found.append(again or self._search(grey))
        return found

    def _search(self, grey: np.ndarray) -> Detections:
        """All faces in a frame (H, W) uint8."""
        scale, smallest = self._scale(grey)
        boxes, scores = self._find(grey, scale, smallest)
        return _detections(boxes, scores)

    def _follow(self, grey: np.ndarray, before: np.ndarray) -> Detections | None:
        """The faces `before`, (K, 4) px, in the next frame; None if one is lost."""
        scale, smallest = self._scale(grey)
        boxes = np.zeros((0, 4), np.float32)
        scores: list[float] = []
        for left, top, right, bottom in before:
            side = right - left
            corner = np.maximum([left - AROUND * side, top - AROUND * side], 0)
            x, y = corner.astype(int)
            end_x, end_y = int(right + AROUND * side), int(bottom + AROUND * side)
            part = grey[y:end_y, x:end_x]
            limits = max(SMALLER * side, smallest), LARGER * side
            near, sure = self._find(part, scale, *limits)
            if not len(near):
                return None
            best = near[sure.argmax()] + np.float32([x, y, x, y])
            centre = (best[:2] + best[2:]) / 2
            inside = (boxes[:, :2] < centre) & (centre < boxes[:, 2:])
            if inside.all(1).any():  # of two faces, one is seen twice
                return None
            boxes = np.vstack([boxes, best])
            scores.append(sure.max())
        return _detections(boxes, np.array(scores, np.float32)) if scores else None

    def _scale(self, grey: np.ndarray) -> tuple[float, float]:
        """What a frame is shrunk by, and the smallest side to look for, px.

        Both searches shrink alike: on another ladder of sizes, boxes were 5 % larger.
        """
        smallest = self.min_face * min(grey.shape)
        return min(1.0, WINDOW / smallest), smallest

    def _find(
        self, grey: np.ndarray, scale: float, smallest: float, largest: float = np.inf
    ) -> tuple[np.ndarray, np.ndarray]:
        """Faces with sides from `smallest` to `largest` px: (K, 4) px, (K,) scores."""
        if scale < 1:
            how = cv2.INTER_AREA
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)
        least = max(1, round(smallest * scale))
        most = round(min(largest * scale, max(grey.shape)))
        found, _, weights = self.cascade.detectMultiScale3(
            grey,
            scaleFactor=1.15,
            minNeighbors=3,
            minSize=(least, least),
            maxSize=(most, most),
            outputRejectLevels=True,
        )
        boxes = np.array(found, np.float32).reshape(-1, 4) / np.float32(scale)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.array(weights, np.float32).reshape(-1)


def _detections(boxes: np.ndarray, scores: np.ndarray) -> Detections:
    return Detections(boxes, scores, np.full((len(boxes), 5, 2), np.nan, "f4"))
