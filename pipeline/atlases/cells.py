"""The cells of an atlas as sums over registered maps."""

from dataclasses import dataclass

import numpy as np

from pipeline.attributions.quadrature import MEAN_ABSOLUTE, NESTED_SHARE
from pipeline.statistics.moments import Moments, Sketch
from pipeline.statistics.pooling import pool_maps
from pipeline.statistics.resampling import (
    MIN_UNITS,
    Replicates,
    Units,
    count_units,
)


@dataclass(frozen=True)
class Cell:
    """Sums over the frames of a cell, on the canonical grid of G x G px.

    Attributes:
        videos: their ids.
        signed: moments of the maps.
        nested: (P, P) float64: the sum of the maps' nested differences in coarser
            squares.
        absolute: moments of the maps' absolute values.
        sketch: for the medians of the maps.
        face: (G, G, 3) float64: the sum of the crops.
        mask: (G, G) float64: the sum of the masks.
        masked_frames: the number of frames whose mask is known.
        pooled: resampled sums of the pooled maps, P * P values, and of their shapes:
            pooled maps, each divided by its L1 norm, P * P values more.
        shape: (P, P) float64: the sum of the shapes, without resampling.
        regions: resampled sums of the maps over each region, and off the grid, R + 1
            values.
        region_sums: (R + 1,) float64: the same sums without resampling.
        units: of the videos.
    """

    videos: frozenset[str]
    signed: Moments
    nested: np.ndarray
    absolute: Moments
    sketch: Sketch
    face: np.ndarray
    mask: np.ndarray
    masked_frames: int
    pooled: Replicates
    shape: np.ndarray
    regions: Replicates
    region_sums: np.ndarray
    units: frozenset[Units]


@dataclass(frozen=True)
class RegisteredFrames:
    """Frames of one video on the canonical grid, n of each.

    Attributes:
        maps: (n, G, G) float64 logits.
        off_grid: (n,) logits: the part of each map that lies off the grid.
        nested: (n, P, P) float64 logits: the maps' nested differences (see
            `AttributionShard`) in coarser squares.
        faces: (n, G, G, 3) uint8.
        masks: (n, G, G) uint8.
        has_mask: (n,) bool.
    """

    maps: np.ndarray
    off_grid: np.ndarray
    nested: np.ndarray
    faces: np.ndarray
    masks: np.ndarray
    has_mask: np.ndarray

    def rows(self, which: np.ndarray) -> "RegisteredFrames":
        """Some of the frames, by their positions."""
        return RegisteredFrames(
            self.maps[which],
            self.off_grid[which],
            self.nested[which],
            self.faces[which],
            self.masks[which],
            self.has_mask[which],
        )


def merge_cells(one: Cell, other: Cell) -> Cell:
    """The cell of the frames of both cells, which must not share any."""
    return Cell(
        videos=one.videos | other.videos,
        signed=one.signed.merged(other.signed),
        nested=one.nested + other.nested,
        absolute=one.absolute.merged(other.absolute),
        sketch=one.sketch.merged(other.sketch),
        face=one.face + other.face,
        mask=one.mask + other.mask,
        masked_frames=one.masked_frames + other.masked_frames,
        pooled=one.pooled.merged(other.pooled),
        shape=one.shape + other.shape,
        regions=one.regions.merged(other.regions),
        region_sums=one.region_sums + other.region_sums,
        units=one.units | other.units,
    )


@dataclass(frozen=True)
class MeanMapErrors:
    """The errors of a cell's mean map in squares, as shares of its L1 norm.

    Attributes:
        integration: of the integrals of its frames: the L1 norm of the mean nested
            difference, times NESTED_SHARE.
        sampling: what other units would change: the mean absolute value of a normal
            random number with the standard error of each square over the resamples of
            units. NaN with fewer than MIN_UNITS units.
    """

    integration: float
    sampling: float


def mean_map_errors(cell: Cell) -> MeanMapErrors:
    """The errors of a cell's mean map."""
    mean = pool_maps(cell.signed.mean)
    size = np.abs(mean).sum()
    integration = NESTED_SHARE * np.abs(cell.nested).sum() / cell.signed.count
    sampling = np.nan
    if count_units(cell.units) >= MIN_UNITS:
        drawn = cell.pooled.means()[:, : mean.size]
        spread = np.nanstd(drawn, axis=0, ddof=1)
        sampling = MEAN_ABSOLUTE * spread.sum()
    if not size:
        return MeanMapErrors(np.nan, np.nan)
    return MeanMapErrors(float(integration / size), float(sampling / size))
