"""Canonical alignment of faces by five landmarks."""

import numpy as np

# Eyes, nose and mouth corners, left to right in the picture, in px of a 112 px square,
# the middle of whose first pixel is at (0, 0): where ArcFace (Deng et al. 2019) puts
# them, and most work on faces since.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# The same in 0..1 of the square, from edge to edge.
PLACES = (TEMPLATE + 0.5) / 112


def alignments(landmarks: np.ndarray, margin: float, size: int) -> np.ndarray:
    """Similarity transforms that bring faces into the canonical place.

    `landmarks` is (N, 5, 2) px of the frame; returns (N, 2, 3) float32 matrices from px
    of the frame to px of a square picture of side `size`, in which the face has a
    margin around it as crops have; NaN where a landmark is. Hand one to
    `cv2.warpAffine` with a frame. The fit is that of Umeyama (1991).
    """
    wanted = ((PLACES - 0.5) / margin + 0.5) * size - 0.5
    return np.stack([_similarity(points, wanted) for points in landmarks]).astype("f4")


def _similarity(points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Scale, turn and shift, (2, 3), that bring (K, 2) points nearest to others."""
    if not np.isfinite(points).all():
        return np.full((2, 3), np.nan)
    mean, mean_wanted = points.mean(0), wanted.mean(0)
    centred, centred_wanted = points - mean, wanted - mean_wanted
    u, strength, v = np.linalg.svd(centred_wanted.T @ centred)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ v))])  # no mirroring
    scale = (strength * sign).sum() / (centred**2).sum()
    matrix = scale * (u * sign) @ v
    return np.column_stack([matrix, mean_wanted - matrix @ mean])
