"""Bring attribution maps onto a canonical face grid without losing any of their sum.

A map's pixels are amounts, in logits, not heights: what is moved is each pixel's
amount, shared among the grid pixels about the place where it falls, and nothing is
interpolated. So a registered map adds up to what the map did, less what fell off.

In all matrices the middle of a picture's first pixel is at (0, 0), as in OpenCV.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.faces.shards import FaceShard

# Landmarks that bring a crop to a scale farther from its own are no face's.
SCALES = (0.25, 4.0)
WIDEST = 0.4  # grid px: the widest step between the places where amounts are laid down


def to_canonical(
    boxes: np.ndarray, alignments: np.ndarray, size: int, grid: int
) -> np.ndarray:
    """Affine matrices from px of crops to px of the canonical grid, (N, 2, 3) float64.

    `boxes` is (N, 4) px of the frame: left, top, right, bottom of the crop.
    `alignments` is (N, 2, 3), from px of the frame to px of an aligned picture. Crops
    and aligned pictures have sides of `size` px, the grid of `grid` px. Where an
    alignment is NaN or beyond SCALES, the crop is scaled to the grid as it is: if
    `grid` is `size`, by the identity.
    """
    left, top, right, bottom = np.asarray(boxes, float).T
    to_frame = np.zeros((len(boxes), 3, 3))
    to_frame[:, 0, 0], to_frame[:, 1, 1] = (right - left) / size, (bottom - top) / size
    to_frame[:, 0, 2] = left + _shift(to_frame[:, 0, 0])
    to_frame[:, 1, 2] = top + _shift(to_frame[:, 1, 1])
    to_frame[:, 2, 2] = 1
    scale = grid / size
    matrices = scale * (np.asarray(alignments, float) @ to_frame)
    matrices[:, :, 2] += _shift(scale)
    plain = np.array([[scale, 0, _shift(scale)], [0, scale, _shift(scale)]])
    with np.errstate(invalid="ignore"):
        scales = np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2]))) / scale
        known = (scales > SCALES[0]) & (scales < SCALES[1])
    return np.where(known[:, None, None], matrices, plain)


def matrices_of(shard: FaceShard, rows: Sequence[int], grid: int) -> np.ndarray:
    """`to_canonical` of the crops `rows` (n,), increasing, of a shard: (n, 2, 3)."""
    boxes, turns = (shard.file[f"frames/{n}"][rows] for n in ("box", "alignment"))
    return to_canonical(boxes, turns, shard.crops.shape[1], grid)


def _shift(scale: np.ndarray | float) -> np.ndarray | float:
    """Where scaling about a picture's corner brings the middle of its first pixel."""
    return 0.5 * scale - 0.5


def register(
    map: np.ndarray, matrix: np.ndarray, grid: int
) -> tuple[np.ndarray, float]:
    """A map (S, S) on the grid, (grid, grid) float64, and what fell off the grid.

    The two add up to the map's sum. `matrix`, (2, 3) and finite, is one of
    `to_canonical`. Each pixel's amount is shared among the four grid pixels about its
    place, in the proportions of bilinear interpolation, of which this is the transpose.
    Where pixels would lie further apart than WIDEST, they are divided into k x k: an
    even map stays even to 8 % at worst, mostly to 2 %. The identity returns the map
    itself, bit for bit.
    """
    amounts, matrix = np.asarray(map, np.float64), np.asarray(matrix, np.float64)
    if amounts.shape == (grid, grid) and np.array_equal(matrix, np.eye(2, 3)):
        return amounts.copy(), 0.0
    parts = int(np.ceil(np.linalg.norm(matrix[:, :2], 2) / WIDEST))
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    rows, columns = (np.arange(side, dtype=float) for side in amounts.shape)
    wide = grid + 2  # with a pixel beyond the border on each side
    corners = np.zeros((4, wide * wide + 1))
    for down in offsets:
        for right in offsets:
            x, y = (
                (a * (columns + right) + c) + b * (rows + down)[:, None]
                for a, b, c in matrix
            )
            _lay_down(corners, x.ravel(), y.ravel(), amounts.ravel() / parts**2, grid)
    lost = float(corners[:, -1].sum())
    return _gather(corners[:, :-1].reshape(2, 2, wide, wide)), lost


def _lay_down(
    corners: np.ndarray, x: np.ndarray, y: np.ndarray, amounts: np.ndarray, grid: int
) -> None:
    """Add `amounts` (P,) at places (x, y), in grid px, to `corners`, (4, W * W + 1).

    Each is shared among the upper left, upper right, lower left and lower right of the
    four pixels about its place; all four shares are kept at the index of the upper left
    one, in a row each. The last column is for places outside the grid.
    """
    left, above = np.floor(x), np.floor(y)
    index = ((above + 1) * (grid + 2) + (left + 1)).astype(np.intp)
    low, high = -0.5, grid - 0.5
    index[(x < low) | (x > high) | (y < low) | (y > high)] = corners.shape[1] - 1
    to_right = amounts * (x - left)
    part_below = y - above
    for column, share in enumerate((amounts - to_right, to_right)):
        below = share * part_below
        corners[column] += np.bincount(index, share - below, corners.shape[1])
        corners[column + 2] += np.bincount(index, below, corners.shape[1])


def _gather(corners: np.ndarray) -> np.ndarray:
    """Add up the four shares, (2, 2, W, W), where they belong: (W - 2, W - 2).

    What places in the grid's outermost half pixel share with pixels beyond the border
    goes to the border: the grid covers its pixels whole.
    """
    total = corners[0, 0]
    total[:, 1:] += corners[0, 1, :, :-1]
    total[1:] += corners[1, 0, :-1]
    total[1:, 1:] += corners[1, 1, :-1, :-1]
    for lines in (total, total.T):
        lines[1] += lines[0]
        lines[-2] += lines[-1]
    return total[1:-1, 1:-1].copy()


def warp(picture: np.ndarray, matrix: np.ndarray, grid: int) -> np.ndarray:
    """A crop (S, S, 3) or a mask (S, S) as it is seen on the grid; 0 beyond the crop.

    Any dtype that OpenCV interpolates (uint8, float32, float64); returns the same. A
    picture that shrinks is first averaged down to the grid's scale, then moved.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    height, width = (
        max(1, round(side * min(scale, 1.0))) for side in picture.shape[:2]
    )
    ratio = np.array([picture.shape[1] / width, picture.shape[0] / height])
    if scale < 1:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    to_picture = np.column_stack([np.diag(ratio), _shift(ratio)])
    moved = matrix @ np.vstack([to_picture, [0, 0, 1]])
    return cv2.warpAffine(picture, moved, (grid, grid), flags=cv2.INTER_LINEAR)
