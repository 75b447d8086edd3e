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

    They follow the convention of FaceForensics++ (Roessler et al. 2019): the side is
    int(1.3 * max(w, h)), with `margin` instead of 1.3, and the square is shifted into
    the frame. The calibration of the face detector makes boxes comparable to those of
    dlib. `boxes` is (N, 4): left, top, right, bottom in px. Returns (N, 4) int32 px.
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
    """Cut box i out of frame i and resize it to a square of side `size` px.

    `frames` is (N, H, W) or (N, H, W, 3) uint8; `boxes` is (N, 4) int px. Returns
    (N, size, size) or (N, size, size, 3) uint8. Pixels are resampled once.
    """
    return np.stack(
        [
            _resize(frame[top:bottom, left:right], size)
            for frame, (left, top, right, bottom) in zip(frames, boxes, strict=True)
        ]
    )


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    shrinks = image.shape[0] > size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=interpolation)
