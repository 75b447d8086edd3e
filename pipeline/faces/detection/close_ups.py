"""Close-ups: squares of one size cut around faces, in which faces have one size."""

from dataclasses import dataclass

import cv2
import numpy as np

CLOSE_UP = 128  # px: side of a close-up
# Side of a face in its close-up, px. Larger faces are shrunk to it; smaller faces are
# not enlarged. A face that has moved by half its side is still completely visible.
FACE_SIDE = 64


@dataclass(frozen=True)
class CloseUp:
    """Where a close-up is in its frame.

    Attributes:
        left, top: px of the frame; may be negative.
        side: px of the frame.
    """

    left: int
    top: int
    side: int

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        """Move points (..., 2) from px of the close-up to px of the frame."""
        corner = np.array([self.left, self.top], np.float32)
        return points * np.float32(self.side / CLOSE_UP) + corner

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The picture (CLOSE_UP, CLOSE_UP, 3); black outside of the frame (H, W, 3)."""
        height, width = frame.shape[:2]
        top, bottom = max(0, self.top), min(height, self.top + self.side)
        left, right = max(0, self.left), min(width, self.left + self.side)
        picture = np.zeros((self.side, self.side, 3), np.uint8)
        picture[
            top - self.top : bottom - self.top, left - self.left : right - self.left
        ] = frame[top:bottom, left:right]
        if self.side == CLOSE_UP:
            return picture
        size = (CLOSE_UP, CLOSE_UP)
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def close_up_of(box: np.ndarray) -> CloseUp:
    """The close-up of a face, from its box (4,) px: left, top, right, bottom."""
    face_side = float(max(box[2] - box[0], box[3] - box[1]))
    side = round(CLOSE_UP * max(1.0, face_side / FACE_SIDE))
    left, top = np.rint((box[:2] + box[2:]) / 2 - side / 2).astype(int)
    return CloseUp(int(left), int(top), side)
