"""The Haar cascade of Viola and Jones (2001), which needs no weights."""

from pathlib import Path

import cv2
import numpy as np
from cv2.data import haarcascades

from pipeline.faces.detection.calibration import CALIBRATIONS
from pipeline.faces.detection.face_detector import GROUP_SIZE, Detections

WINDOW = 24  # px: frames are shrunk until the smallest face has this side
SEARCH_MARGIN = 0.5  # margin around the last box in which a face is searched, in sides
MIN_GROWTH, MAX_GROWTH = 0.75, 1.33  # of the side from one examined frame to the next


class HaarDetector:
    """The Haar cascade `frontalface_alt2` of OpenCV, on the CPU."""

    calibration = CALIBRATIONS["haar"]

    def __init__(self, min_face: float) -> None:
        """`min_face` is the smallest side of a face as a share of a frame's shorter
        side.

        Frames are shrunk until such a face is just large enough for the cascade. This
        finds as many faces as in full frames, in a quarter of the time.
        """
        self.min_face = min_face
        folder = Path(haarcascades)
        self.cascade = cv2.CascadeClassifier(
            str(folder / "haarcascade_frontalface_alt2.xml")
        )

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`.

        The first frame of each group is searched completely. Each other frame is
        searched near the faces of the frame before it, and completely if one of these
        is not found again. This takes less than half the time, and boxes differ by
        about 2 % of their side.
        """
        found: list[Detections] = []
        for number, frame in enumerate(frames):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            followed = (
                self._follow(grey, found[-1].boxes) if number % GROUP_SIZE else None
            )
            found.append(followed or self._search(grey))
        return found

    def _search(self, grey: np.ndarray) -> Detections:
        """All faces in a frame (H, W) uint8."""
        scale, smallest = self._scale(grey)
        boxes, scores = self._find(grey, scale, smallest)
        return _detections(boxes, scores)

    def _follow(self, grey: np.ndarray, before: np.ndarray) -> Detections | None:
        """The faces with boxes `before` (K, 4) px in the next frame.

        Returns None if one of them is not found, or if one is found twice.
        """
        scale, smallest = self._scale(grey)
        boxes = np.zeros((0, 4), np.float32)
        scores: list[float] = []
        for left, top, right, bottom in before:
            side = right - left
            corner = np.maximum(
                [left - SEARCH_MARGIN * side, top - SEARCH_MARGIN * side], 0
            )
            x, y = corner.astype(int)
            end_x, end_y = (
                int(right + SEARCH_MARGIN * side),
                int(bottom + SEARCH_MARGIN * side),
            )
            part = grey[y:end_y, x:end_x]
            limits = max(MIN_GROWTH * side, smallest), MAX_GROWTH * side
            near, certainties = self._find(part, scale, *limits)
            if not len(near):
                return None
            offset = np.array([x, y, x, y], np.float32)
            best = near[certainties.argmax()] + offset
            centre = (best[:2] + best[2:]) / 2
            inside = (boxes[:, :2] < centre) & (centre < boxes[:, 2:])
            if inside.all(1).any():  # the same face as one before
                return None
            boxes = np.vstack([boxes, best])
            scores.append(certainties.max())
        return _detections(boxes, np.array(scores, np.float32)) if scores else None

    def _scale(self, grey: np.ndarray) -> tuple[float, float]:
        """The scale by which a frame is shrunk, and the smallest side of a face in px.

        Both searches use the same scale, because with different scales boxes differed
        by 5 % in size.
        """
        smallest = self.min_face * min(grey.shape)
        return min(1.0, WINDOW / smallest), smallest

    def _find(
        self, grey: np.ndarray, scale: float, smallest: float, largest: float = np.inf
    ) -> tuple[np.ndarray, np.ndarray]:
        """Faces with sides from `smallest` to `largest` px.

        Returns boxes (K, 4) float32 px and scores (K,) float32.
        """
        if scale < 1:
            grey = cv2.resize(
                grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        min_side = max(1, round(smallest * scale))
        max_side = round(min(largest * scale, max(grey.shape)))
        found, _, weights = self.cascade.detectMultiScale3(
            grey,
            scaleFactor=1.15,
            minNeighbors=3,
            minSize=(min_side, min_side),
            maxSize=(max_side, max_side),
            outputRejectLevels=True,
        )
        boxes = np.array(found, np.float32).reshape(-1, 4) / np.float32(scale)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.array(weights, np.float32).reshape(-1)


def _detections(boxes: np.ndarray, scores: np.ndarray) -> Detections:
    return Detections(boxes, scores, np.full((len(boxes), 5, 2), np.nan, "f4"))
