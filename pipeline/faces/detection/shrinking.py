"""Shrink frames before faces are searched in them, and enlarge what was found."""

import cv2
import numpy as np

from pipeline.faces.detection.face_detector import Detections


def shrink(frames: np.ndarray, max_side: int) -> np.ndarray:
    """Shrink frames (N, H, W, 3) uint8 until no side is longer than `max_side` px.

    Frames are never enlarged: frames that are small enough are returned as they are.
    Each pixel of the result is the mean of the area that it covers.
    """
    height, width = frames.shape[1:3]
    scale = max_side / max(height, width)
    if scale >= 1:
        return frames
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.empty((len(frames), *size, 3), np.uint8)
    for frame, place in zip(frames, small, strict=True):
        cv2.resize(frame, size[::-1], dst=place, interpolation=cv2.INTER_AREA)
    return small


def enlarge(found: Detections, small: np.ndarray, frames: np.ndarray) -> Detections:
    """What was found in a frame of `small`, in px of the frames before `shrink`."""
    if small.shape == frames.shape:
        return found
    ratio = np.array(frames.shape[2:0:-1]) / small.shape[2:0:-1]  # x, y
    ratio = ratio.astype(np.float32)
    return Detections(
        found.boxes * np.tile(ratio, 2), found.scores, found.landmarks * ratio
    )
