"""The cells of an atlas as sums over registered maps."""

from dataclasses import dataclass

import numpy as np

from pipeline.statistics.moments import Moments, Sketch
from pipeline.statistics.poisson_bootstrap import Replicates


@dataclass(frozen=True)
class Cell:
    """Sums over the frames of a cell, on the canonical grid."""

    videos: frozenset[str]  # their ids
    signed: Moments
    absolute: Moments
    sketch: Sketch
    face: np.ndarray  # (G, G, 3) float64: sum of crops
    mask: np.ndarray  # (G, G) float64: sum of masks
    masks: int  # frames whose mask is known
    squares: Replicates  # of (P * P,) pooled maps
    regions: Replicates  # of (R + 1,) sums over regions, and what is beside the grid
    sums: np.ndarray  # (R + 1,) float64: the same, not resampled
    people: frozenset[str]  # identities


@dataclass(frozen=True)
class Registered:
    """Frames of one video on the canonical grid, (n, ...) each."""

    maps: np.ndarray  # (n, G, G) float64
    lost: np.ndarray  # (n,) logits beside the grid
    faces: np.ndarray  # (n, G, G, 3) uint8
    masks: np.ndarray  # (n, G, G) uint8
    has_mask: np.ndarray  # (n,) bool


def merged(one: Cell, other: Cell) -> Cell:
    """The cell of the frames of both, which have none in common."""
    return Cell(
        one.videos | other.videos,
        one.signed.merged(other.signed),
        one.absolute.merged(other.absolute),
        one.sketch.merged(other.sketch),
        one.face + other.face,
        one.mask + other.mask,
        one.masks + other.masks,
        one.squares.merged(other.squares),
        one.regions.merged(other.regions),
        one.sums + other.sums,
        one.people | other.people,
    )
