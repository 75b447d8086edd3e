"""A partition of the canonical face grid into named regions of the face.

Every pixel is in exactly one region, so that sums over regions add up to a map's sum.
The regions are defined by five points, in units of the distance between the pupils (63
mm in adults). Face, nose and mouth are somewhat wider than an adult's (137, 35 and 52
mm; Farkas 1994, Anthropometry of the Head and Face). The other proportions were chosen
by looking at drawn faces and a photograph. The regions are places, not a segmentation:
hair over a forehead counts as forehead.
"""

import numpy as np

from pipeline.faces.alignment import PLACES

REGIONS = (
    "forehead",
    "brows",
    "eyes",
    "nose",
    "cheeks",
    "mouth",
    "jaw line",
    "outside the face",
)

# Where the points of a face are in a calibrated box if no landmarks are known, as
# `points` of `region_grid`: the mean of 96 drawn faces in boxes of the Haar cascade,
# made symmetric. Single faces differ by 0.02 to 0.04 (standard deviation); on a
# photograph the eye distance was 0.06 larger.
HAAR_POINTS = np.array(
    [[0.285, 0.31], [0.715, 0.31], [0.5, 0.535], [0.3, 0.725], [0.7, 0.725]]
)
# How far regions are moved to see how much their sums depend on their places.
MOVE = 0.05  # distances between the eyes
DIRECTIONS = 8


def usual_points(has_landmarks: bool) -> np.ndarray:
    """Where the points of a face usually are in its box (5, 2), in 0..1 of the box.

    With landmarks, maps are aligned, and the points are where `alignments` puts them.
    """
    return PLACES if has_landmarks else HAAR_POINTS


def region_grid(grid: int, margin: float, points: np.ndarray = PLACES) -> np.ndarray:
    """The region of each pixel, as an index into REGIONS: (grid, grid) int8.

    `points` is (5, 2): eyes, nose and corners of the mouth, each from left to right in
    the picture, in 0..1 of the face box. The default is where `alignments` puts them;
    for crops that are not aligned, use their mean places in the face detector's boxes.
    `margin` is the side of the crop as a multiple of the face box.
    """
    places = ((points - 0.5) / margin + 0.5) * grid  # as in `alignments`
    unit = float(np.linalg.norm(places[1] - places[0]))  # px between the eyes
    x, y = np.meshgrid(np.arange(grid) + 0.5, np.arange(grid) + 0.5)

    def oval(
        place: np.ndarray, shift: tuple[float, float], wide: float, high: float
    ) -> np.ndarray:
        """Pixels in an oval with these half-axes, moved right and down by `shift`."""
        across = (x - place[0]) / unit - shift[0]
        below = (y - place[1]) / unit - shift[1]
        return np.abs(across / wide) ** 2.5 + np.abs(below / high) ** 2.5 <= 1

    (left, right, nose), mouth = places[:3], places[3:].mean(0)
    middle = (left + right) / 2
    across, below = (x - middle[0]) / unit, (y - middle[1]) / unit
    tip, lips = (nose[1] - middle[1]) / unit, (mouth[1] - middle[1]) / unit
    half_mouth = float(np.linalg.norm(places[4] - places[3])) / unit / 2
    top, chin = -1.05, lips + 0.70
    centre, half = (top + chin) / 2, (chin - top) / 2
    face = oval(middle, (0, centre), 1.12, half)
    within = oval(middle, (0, centre), 0.88, half)
    wings = 0.15 + 0.18 * np.clip(below / tip, 0, 1) ** 2  # half the nose's width
    layers = {  # later layers cover earlier ones
        "cheeks": face,
        "forehead": face & (below < 0),
        "jaw line": face & (below > tip) & (~within | (below > lips)),
        "brows": oval(left, (-0.04, -0.34), 0.42, 0.16)
        | oval(right, (0.04, -0.34), 0.42, 0.16),
        "mouth": oval(mouth, (0, -0.02), half_mouth + 0.16, 0.38),
        "eyes": oval(left, (0, 0), 0.36, 0.20) | oval(right, (0, 0), 0.36, 0.20),
        "nose": (np.abs(across) < wings) & (below > -0.1) & (below < tip + 0.2),
    }
    regions = np.full((grid, grid), REGIONS.index("outside the face"), np.int8)
    for name, pixels in layers.items():
        regions[pixels] = REGIONS.index(name)
    return regions


def moved_region_grids(
    grid: int, margin: float, points: np.ndarray = PLACES
) -> np.ndarray:
    """Region grids that are moved by MOVE: (DIRECTIONS, grid, grid) int8.

    The directions are evenly spaced, and the first is to the right. The arguments are
    as for `region_grid`. Each pixel still is in exactly one region.
    """
    reach = MOVE * np.linalg.norm(points[1] - points[0])
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    moves = reach * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.stack([region_grid(grid, margin, points + move) for move in moves])


def region_sums(maps: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Sums of maps (n, G, G) over each region of `regions` (G, G) int: (n, R)."""
    inside = regions.ravel()[:, None] == np.arange(len(REGIONS))
    return maps.reshape(len(maps), -1) @ inside.astype(np.float64)
