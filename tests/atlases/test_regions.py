"""The regions of the face are in the right places, on any grid."""

import numpy as np
import pytest

from pipeline.atlases.regions import (
    DIRECTIONS,
    HAAR_POINTS,
    MOVE,
    REGIONS,
    moved_region_grids,
    region_grid,
)
from pipeline.faces.alignment import PLACES

LANDMARKS = ("eyes", "eyes", "nose", "mouth", "mouth")
GRIDS = pytest.mark.parametrize("grid", [32, 48, 96, 128])
MARGINS = pytest.mark.parametrize("margin", [1.0, 1.3, 1.8])
POINTS = pytest.mark.parametrize("points", [PLACES, HAAR_POINTS])


def shares(regions):
    return np.bincount(regions.ravel(), minlength=len(REGIONS)) / regions.size


def at(regions, place, shift=(0, 0)):
    x, y = np.floor(np.add(place, shift)).astype(int)
    return REGIONS[regions[y, x]]


@GRIDS
@MARGINS
@POINTS
def test_every_landmark_is_in_its_region(grid, margin, points):
    regions = region_grid(grid, margin, points)
    places = ((points - 0.5) / margin + 0.5) * grid
    assert tuple(at(regions, place) for place in places) == LANDMARKS


@GRIDS
@MARGINS
@POINTS
def test_regions_are_arranged_as_in_a_face(grid, margin, points):
    regions = region_grid(grid, margin, points)
    places = ((points - 0.5) / margin + 0.5) * grid
    middle, mouth = places[:2].mean(0), places[3:].mean(0)
    unit = places[1, 0] - places[0, 0]
    for eye, side in zip(places[:2], (-1, 1), strict=True):
        assert at(regions, eye, (0, -0.34 * unit)) == "brows"
        assert at(regions, eye, (side * 0.1 * unit, 0.5 * unit)) == "cheeks"
    assert at(regions, middle, (0, -0.6 * unit)) == "forehead"
    assert at(regions, middle) == "nose"  # the bridge of the nose
    if margin > 1:  # otherwise the chin is cut off
        assert at(regions, mouth, (0, 0.5 * unit)) == "jaw line"
        assert at(regions, (0, grid - 1)) == "outside the face"
        assert set(np.unique(regions)) == set(range(len(REGIONS)))


def test_the_partition_is_as_symmetric_as_its_points():
    for grid in (95, 96):
        regions = region_grid(grid, 1.3, HAAR_POINTS)
        assert np.array_equal(regions, regions[:, ::-1])
    regions = region_grid(128, 1.3)  # the template is off by half a pixel of 112
    assert 0 < (regions != regions[:, ::-1]).mean() < 0.04


def test_a_pixel_is_in_the_region_of_its_centre():
    """Compared with a grid that is nine times finer."""
    for points in (PLACES, HAAR_POINTS):
        coarse, fine = region_grid(32, 1.3, points), region_grid(288, 1.3, points)
        assert np.array_equal(coarse, fine[4::9, 4::9])


def test_the_areas_of_regions_do_not_depend_on_the_grid():
    coarse, fine, wide = (
        shares(region_grid(*look)) for look in ((96, 1.3), (512, 1.3), (512, 1.6))
    )
    assert np.abs(coarse - fine).max() < 0.003
    assert wide[:-1] == pytest.approx(fine[:-1] * (1.3 / 1.6) ** 2, abs=0.001)


def test_all_regions_move_by_the_same_distance_in_all_directions():
    regions, moved = region_grid(400, 1.3), moved_region_grids(400, 1.3)
    reach = MOVE * (PLACES[1, 0] - PLACES[0, 0]) / 1.3 * 400
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    wanted = reach * np.column_stack([np.cos(angles), np.sin(angles)])
    for name in ("eyes", "nose", "mouth"):
        place = middle(regions, name)
        moves = [middle(grid, name) - place for grid in moved]
        assert np.abs(np.array(moves) - wanted).max() < 0.5  # px


def middle(regions, name):
    """The centre of a region, (x, y) in px."""
    return np.argwhere(regions == REGIONS.index(name)).mean(0)[::-1]
