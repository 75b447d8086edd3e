"""Cut square face crops out of frames."""

import cv2
import numpy as np

from pipeline.faces.detection.face_detector import BoxCalibration


def square_boxes(
    boxes: np.ndarray,
    calibration: BoxCalibration,
    margin: float,
    frame: tuple[int, int],
) -> np.ndarray:
    """Squares around face boxes, inside a frame of (height, width) px.

    FaceForensics++'s convention (Roessler et al. 2019; side = int(1.3 * max(w, h)),
    shifted into the frame), on boxes made comparable to dlib's by the detector's
    calibration. `boxes` is (N, 4) px; returns (N, 4) int32.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side = np.maximum(width, height) * calibration.scale
    centre_x = (boxes[:, 0] + boxes[:, 2]) / 2
    centre_y = (boxes[:, 1] + boxes[:, 3]) / 2 + calibration.shift * side
    side = np.clip((margin * side).astype(np.int32), 1, min(frame))
    left = np.clip(np.rint(centre_x - side / 2), 0, frame[1] - side)
    top = np.clip(np.rint(centre_y - side / 2), 0, frame[0] - side)
    return np.stack([left, top, left + side, top + side], axis=1).astype(np.int32)


def crop(frames: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut box i out of frame i and resize it, once, to `size` px square.

    `frames` is (N, H, W) or (N, H, W, 3) uint8; returns the same kind, (N, size, ...).
    """
    return np.stack(
        [
            _resize(frame[top:bottom, left:right], size)
            for frame, (left, top, right, bottom) in zip(frames, boxes, strict=True)
        ]
    )


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    shrinks = image.shape[0] > size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=how)
