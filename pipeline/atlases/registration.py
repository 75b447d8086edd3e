"""Move attribution maps onto a canonical face grid without changing their sum.

The pixels of a map are amounts in logits. So each pixel's amount is shared among the
grid pixels around the place that it moves to, and nothing is interpolated. A registered
map has the sum of the original map, minus what lies off the grid.

In all matrices, (0, 0) is the middle of a picture's first pixel, as in OpenCV.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.faces.shards import FaceShard

# Landmarks that change the scale of a crop by a factor outside this range are wrong.
SCALE_RANGE = (0.25, 4.0)
# The largest distance, in grid px, between two places where amounts are added.
MAX_SPACING = 0.4


def to_canonical(
    boxes: np.ndarray, alignments: np.ndarray, *, size: int, grid: int
) -> np.ndarray:
    """Affine matrices from px of crops to px of the canonical grid, (N, 2, 3) float64.

    `boxes` is (N, 4) px of the frame: left, top, right, bottom of the crop.
    `alignments` is (N, 2, 3), from px of the frame to px of an aligned picture. Crops
    and aligned pictures have sides of `size` px, the grid has sides of `grid` px. If an
    alignment is NaN, or its scale is outside SCALE_RANGE, the crop is only scaled to
    the grid: by the identity if `grid` is `size`.
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
    unaligned = np.array([[scale, 0, _shift(scale)], [0, scale, _shift(scale)]])
    is_valid = are_valid(boxes, alignments, size=size)
    return np.where(is_valid[:, None, None], matrices, unaligned)


def are_valid(boxes: np.ndarray, alignments: np.ndarray, *, size: int) -> np.ndarray:
    """Whether each alignment is finite and its scale within SCALE_RANGE: (N,) bool.

    The arguments are as for `to_canonical`. The scale is that from a crop to an aligned
    picture.
    """
    left, top, right, bottom = np.asarray(boxes, float).T
    areas = (right - left) * (bottom - top) / size**2  # px of the frame in one of crops
    with np.errstate(invalid="ignore"):
        turns = np.linalg.det(np.asarray(alignments, float)[:, :, :2])
        scales = np.sqrt(np.abs(turns) * areas)
        return (scales > SCALE_RANGE[0]) & (scales < SCALE_RANGE[1])


def matrices_of(
    shard: FaceShard, rows: Sequence[int] | np.ndarray, grid: int
) -> np.ndarray:
    """`to_canonical` for the crops `rows` (n,), increasing, of a shard: (n, 2, 3)."""
    boxes = shard.file["frames/box"][rows]
    alignments = shard.file["frames/alignment"][rows]
    size = shard.crops.shape[1]
    return to_canonical(boxes, alignments, size=size, grid=grid)


def _shift(scale: np.ndarray | float) -> np.ndarray | float:
    """Where scaling about a picture's corner moves the middle of its first pixel."""
    return 0.5 * scale - 0.5


def register(
    heatmap: np.ndarray, matrix: np.ndarray, grid: int
) -> tuple[np.ndarray, float]:
    """Move a map (S, S) onto the grid.

    `matrix`, (2, 3) and finite, is one of `to_canonical`. Returns the registered map,
    (grid, grid) float64, and the sum of the amounts that lie off the grid. The two add
    up to the map's sum.

    Each pixel's amount is shared among the four grid pixels around its place, with the
    weights of bilinear interpolation: this is its transpose. If pixels would be
    more than MAX_SPACING apart, they are divided into k x k parts: then a constant
    map stays constant within 8 % at worst, and mostly within 2 %. The identity returns
    the same bits.
    """
    amounts, matrix = np.asarray(heatmap, np.float64), np.asarray(matrix, np.float64)
    if amounts.shape == (grid, grid) and np.array_equal(matrix, np.eye(2, 3)):
        return amounts.copy(), 0.0
    parts = int(np.ceil(np.linalg.norm(matrix[:, :2], 2) / MAX_SPACING))
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    rows, columns = (np.arange(side, dtype=float) for side in amounts.shape)
    wide = grid + 2  # with one pixel beyond the border on each side
    corners = np.zeros((4, wide * wide + 1))
    for down in offsets:
        for right in offsets:
            x, y = (
                (a * (columns + right) + c) + b * (rows + down)[:, None]
                for a, b, c in matrix
            )
            _add_amounts(
                corners, x.ravel(), y.ravel(), amounts.ravel() / parts**2, grid
            )
    off_grid = float(corners[:, -1].sum())
    return _add_corners(corners[:, :-1].reshape(2, 2, wide, wide)), off_grid


def _add_amounts(
    corners: np.ndarray, x: np.ndarray, y: np.ndarray, amounts: np.ndarray, grid: int
) -> None:
    """Add `amounts` (P,) at the places (x, y) in grid px to `corners` (4, W * W + 1).

    Each amount is shared among the four pixels around its place: upper left, upper
    right, lower left and lower right, a row of `corners` each. All four shares are
    stored at the index of the upper left pixel. The last column is for places off the
    grid.
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


def _add_corners(corners: np.ndarray) -> np.ndarray:
    """Add the four shares, (2, 2, W, W), to the pixels they belong to: (W - 2, W - 2).

    The shares of pixels beyond the border are added to the border, because the grid
    covers the outer half of its border pixels as well.
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
    """Show a crop (S, S, 3) or a mask (S, S) on the grid; 0 outside the crop.

    Takes any dtype that OpenCV interpolates (uint8, float32, float64), and returns the
    same. A picture that shrinks is first averaged to the grid's scale, then moved.
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


def labels_of_crops(
    labels: np.ndarray, matrices: np.ndarray, size: int, *, beyond: int
) -> np.ndarray:
    """The label of each pixel of crops, (n, size, size) int8.

    `labels` (G, G) int8 are those of the canonical grid, and `matrices` (n, 2, 3) are
    the crops' `to_canonical`. Pixels that lie off the grid get the label `beyond`.
    """
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    shifted = labels.astype(np.int16)
    found = [
        cv2.warpAffine(shifted, m, (size, size), flags=flags, borderValue=beyond)
        for m in matrices
    ]
    return np.array(found, np.int8).reshape(len(matrices), size, size)
