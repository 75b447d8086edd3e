"""Align faces to a template by five landmarks."""

import numpy as np

# Positions of eyes, nose and mouth corners, from left to right in the picture, in px of
# a square of 112 px. The centre of its first pixel is (0, 0). The template is that of
# ArcFace (Deng et al. 2019), which most later work on faces uses.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# The same positions in 0..1 of the square, from edge to edge.
PLACES = (TEMPLATE + 0.5) / 112


def alignments(landmarks: np.ndarray, margin: float, size: int) -> np.ndarray:
    """Similarity transforms that move landmarks to their positions in the template.

    `landmarks` is (N, 5, 2) in px of the frame. Returns matrices (N, 2, 3) float32 from
    px of the frame to px of a square picture of side `size`. In it the face has the
    same `margin` as in crops. A matrix is NaN if one of its landmarks is NaN. The
    matrices are suitable for `cv2.warpAffine`. The fit is least squares (Umeyama 1991).
    """
    targets = ((PLACES - 0.5) / margin + 0.5) * size - 0.5
    return np.stack([_similarity(points, targets) for points in landmarks]).astype("f4")


def _similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Scaling, rotation and shift (2, 3) that move points (K, 2) closest to targets."""
    if not np.isfinite(points).all():
        return np.full((2, 3), np.nan)
    mean, target_mean = points.mean(0), targets.mean(0)
    centred, centred_targets = points - mean, targets - target_mean
    u, strength, v = np.linalg.svd(centred_targets.T @ centred)
    sign = np.array(
        [1.0, np.sign(np.linalg.det(u @ v))]
    )  # a rotation, without mirroring
    scale = (strength * sign).sum() / (centred**2).sum()
    matrix = scale * (u * sign) @ v
    return np.column_stack([matrix, target_mean - matrix @ mean])
