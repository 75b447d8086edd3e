"""Registration keeps the sums of maps; regions are a partition of the face."""

import numpy as np
import pandas as pd
import pytest

from pipeline.atlases.regions import HAAR_POINTS, REGIONS, region_grid
from pipeline.atlases.registration import register, to_canonical, warp
from pipeline.faces.alignment import PLACES, TEMPLATE, alignments
from pipeline.statistics.pooling import pool_maps
from pipeline.statistics.sampling import keep_sample

SIZE = 48


def turned(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    return np.column_stack([turn, shift])


@pytest.mark.parametrize("seed", range(6))
def test_registration_keeps_the_sum(seed):
    rng = np.random.default_rng(seed)
    heatmap = rng.normal(size=(SIZE, SIZE))
    matrix = turned(rng.normal(0, 0.5), rng.uniform(0.3, 2.5), rng.normal(0, 9, 2))
    found, off_grid = register(heatmap, matrix, 40)
    assert found.shape == (40, 40)
    assert found.sum() + off_grid == pytest.approx(heatmap.sum(), abs=1e-9)


def test_the_identity_does_not_change_any_bit():
    heatmap = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    found, off_grid = register(heatmap, turned(0, 1, (0, 0)), SIZE)
    assert np.array_equal(found, heatmap)
    assert off_grid == 0


@pytest.mark.parametrize("scale", [0.4, 0.8, 1.0, 1.7, 2.6])
def test_a_constant_map_stays_constant(scale):
    """Without holes, also if it is enlarged."""
    found, _ = register(np.ones((SIZE, SIZE)), turned(0.3, scale, (8, 2)), SIZE)
    inside = warp(np.ones((SIZE, SIZE), np.float32), turned(0.3, scale, (8, 2)), SIZE)
    kernel = np.pad(inside, 3)
    deep = np.array(
        [[kernel[y : y + 7, x : x + 7].min() > 0.999 for x in range(SIZE)]
         for y in range(SIZE)]
    )  # fmt: skip
    assert deep.sum() > 30
    assert np.allclose(found[deep], scale**-2, rtol=0.08)


def test_a_point_moves_to_the_place_that_the_matrix_gives():
    heatmap = np.zeros((SIZE, SIZE))
    heatmap[20, 12] = 1
    matrix = turned(0.2, 1.3, (4, -3))
    found, _ = register(heatmap, matrix, 80)
    ys, xs = np.mgrid[:80, :80]
    centre = [(found * xs).sum(), (found * ys).sum()]
    assert centre == pytest.approx(matrix @ [12, 20, 1], abs=0.01)


def test_landmarks_move_to_the_places_of_the_template():
    """A rotated face in a frame, its crop, and the matrix from the crop to the grid."""
    points = TEMPLATE @ turned(0.25, 1.4, (0, 0))[:, :2].T + [130, 80]
    box = np.array([[100, 60, 400, 360]])
    matrix = alignments(points[None], 1.3, SIZE)
    (to_grid,) = to_canonical(box, matrix, size=SIZE, grid=64)
    in_crop = (points - box[0, :2] + 0.5) * SIZE / 300 - 0.5
    found = in_crop @ to_grid[:, :2].T + to_grid[:, 2]
    wanted = ((PLACES - 0.5) / 1.3 + 0.5) * 64 - 0.5
    assert np.abs(found - wanted).max() < 0.01


def test_without_landmarks_the_crop_is_scaled_to_the_grid():
    nothing = np.full((1, 2, 3), np.nan)
    (to_grid,) = to_canonical(
        np.array([[5, 7, 205, 207]]), nothing, size=SIZE, grid=SIZE
    )
    assert np.allclose(to_grid, [[1, 0, 0], [0, 1, 0]])
    (to_grid,) = to_canonical(
        np.array([[5, 7, 205, 207]]), nothing, size=2 * SIZE, grid=SIZE
    )
    assert np.allclose(to_grid @ [SIZE - 0.5, SIZE - 0.5, 1], (SIZE - 1) / 2)


@pytest.mark.parametrize("scale", [1e-3, 0.2, 5, 1e3])
def test_landmarks_with_an_impossible_scale_are_ignored(scale):
    """They would enlarge the crop far too much, or shrink it to a point."""
    matrix = np.array([[[scale, 0, 3], [0, scale, 4]]])
    box = np.array([[0, 0, SIZE, SIZE]])
    plain = to_canonical(box, np.full((1, 2, 3), np.nan), size=SIZE, grid=32)
    assert np.array_equal(to_canonical(box, matrix, size=SIZE, grid=32), plain)


@pytest.mark.parametrize("points", [PLACES, HAAR_POINTS])
@pytest.mark.parametrize(("grid", "margin"), [(48, 1.3), (128, 1.3), (128, 1.6)])
def test_landmarks_are_in_their_regions(points, grid, margin):
    regions = region_grid(grid, margin, points)
    assert set(np.unique(regions)) == set(range(len(REGIONS)))
    places = (((points - 0.5) / margin + 0.5) * grid).astype(int)
    names = [REGIONS[regions[y, x]] for x, y in places]
    assert names == ["eyes", "eyes", "nose", "mouth", "mouth"]
    assert REGIONS[regions[0, 0]] == REGIONS[regions[-1, -1]] == "outside the face"


@pytest.mark.parametrize("grid", [20, 32, 48, 100, 128])
def test_pooling_keeps_the_sum_and_the_place(grid):
    maps = np.random.default_rng(0).normal(size=(3, grid, grid))
    small = pool_maps(maps)
    assert small.shape == (3, min(grid, 32), min(grid, 32))
    assert np.allclose(small.sum((1, 2)), maps.sum((1, 2)))
    corner = np.zeros((grid, grid))
    corner[-1, 0] = 1
    assert pool_maps(corner)[-1, 0] == pytest.approx(1)


def test_a_sample_of_samples_is_the_sample_of_all():
    keys = pd.DataFrame({"video": [f"v{n // 3}" for n in range(90)]})
    keys = keys.assign(number=np.arange(90) % 3)
    sample = set(map(tuple, keys[keep_sample(keys, 20)].to_numpy()))
    assert len(sample) == 20
    halves = [keys.iloc[n::2] for n in (1, 0)]
    some = pd.concat([half[keep_sample(half, 20)] for half in halves])
    assert set(map(tuple, some[keep_sample(some, 20)].to_numpy())) == sample
