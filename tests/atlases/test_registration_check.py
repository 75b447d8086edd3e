"""What moved regions, turned heads and shifted faces do to an atlas, and that it says
so."""

import numpy as np
import pytest

from pipeline.atlases.ledger import ledger
from pipeline.atlases.reduction import sum_shards, with_all_outcomes
from pipeline.atlases.regions import REGIONS, moved_region_grids, region_grid
from pipeline.atlases.registration_check import (
    FRONTAL,
    LEFT,
    LOGITS,
    MAX_FRONTAL_YAW,
    RIGHT,
    UNKNOWN,
    poses,
    registration_table,
    yaws,
)
from pipeline.faces.alignment import TEMPLATE, alignments
from pipeline.faces.shards import FaceShard
from tests.support.shards import row, write_faces, write_maps

SIZE = 48
REGION_GRID = region_grid(SIZE, 1.3)


def turned(shares, angle=0.0, scale=1.0):
    """Landmarks whose noses are moved to the right by these shares of the eye distance.

    The face is then rolled by `angle` and enlarged. All landmarks are in a crop.
    """
    eyes = TEMPLATE[1, 0] - TEMPLATE[0, 0]
    faces = np.tile(TEMPLATE, (len(shares), 1, 1)) - TEMPLATE.mean(0)
    faces[:, :2, 1] = faces[:, :2, 1].mean()
    faces[:, 2, 0] = faces[:, :2, 0].mean(1) + np.array(shares) * eyes
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * SIZE / 112 / 1.3 * faces @ turn.T + SIZE / 2


def reduce(folder, maps, *, crops=None, landmarks=None):
    """The sums and cells of two videos whose frames have these maps (n, SIZE, SIZE)."""
    videos = [row(number, "A") for number in (1, 2)]
    if crops is None:
        crops = np.zeros((*maps.shape, 3), np.uint8)
    alignment = None if landmarks is None else alignments(landmarks, 1.3, SIZE)
    masks = np.zeros(maps.shape, np.uint8)
    faces, attributions = folder / "faces" / "s.h5", folder / "maps" / "s.h5"
    write_faces(faces, videos, [crops] * 2, [masks] * 2, alignment, landmarks=landmarks)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    every = np.concatenate([maps, maps])
    write_maps(attributions, table, every, every.sum((1, 2)))
    found = sum_shards(
        [attributions],
        [faces],
        mean_mask=None,
        threshold=0.0,
        regions=REGION_GRID,
        seed=0,
    )
    return found, with_all_outcomes(found.cells)


def check(folder, maps, **faces):
    """The table of the check, by pose."""
    found, cells = reduce(folder, maps, **faces)
    table = registration_table(found.frames, found.frame_sums, cells, REGION_GRID)
    return table.set_index("pose")


def test_the_ledger_says_how_far_logits_move_with_the_regions(tmp_path):
    """All logits are in two pixels: one moves into another region, one does not."""
    moved = moved_region_grids(SIZE, 1.3)
    grids = np.stack([REGION_GRID, *moved])
    at_border = (REGIONS.index("mouth") == REGION_GRID) & (moved != REGION_GRID).any(0)
    border = tuple(np.argwhere(at_border)[0])
    inside = tuple(np.argwhere((grids == REGIONS.index("eyes")).all(0))[0])
    maps = np.zeros((1, SIZE, SIZE))
    maps[0][border], maps[0][inside] = 0.5, -2
    _, cells = reduce(tmp_path, maps)
    table = ledger(cells, REGION_GRID, moved)
    table = table[table["outcome"] == "all"].set_index("region")
    ranges = table[["moved_low", "moved_high"]]
    assert ranges.loc["mouth"].tolist() == [0, 0.5]
    assert ranges.loc["eyes"].tolist() == [-2, -2]
    others = {REGIONS[region] for region in grids[:, *border]} - {"mouth"}
    assert others
    for name in others:
        assert ranges.loc[name].tolist() == [0, 0.5]
    assert ranges.loc["all"].tolist() == [-1.5, -1.5]
    assert ranges.loc["beside the picture"].tolist() == [0, 0]
    assert (table["moved_low"] <= table["logits"]).all()
    assert (table["logits"] <= table["moved_high"]).all()


def test_a_mirrored_face_is_turned_to_the_other_side():
    rng = np.random.default_rng(0)
    faces = turned(rng.uniform(-0.4, 0.4, 40)) + rng.normal(0, 0.3, (40, 5, 2))
    mirrored = faces[:, [1, 0, 2, 4, 3]] * [-1, 1]
    assert yaws(mirrored) == pytest.approx(-yaws(faces))
    other = {FRONTAL: FRONTAL, LEFT: RIGHT, RIGHT: LEFT}
    assert poses(yaws(mirrored)).tolist() == [other[p] for p in poses(yaws(faces))]
    assert set(poses(yaws(faces))) == set(other)


def test_the_yaw_depends_neither_on_roll_nor_on_scale():
    shares = [-0.3, 0.0, 0.02, 0.2]
    for look in ({}, {"angle": 0.4}, {"angle": -0.7, "scale": 3.0}):
        assert yaws(turned(shares, **look)) == pytest.approx(shares)


def test_a_nose_at_the_right_is_of_a_face_that_is_turned_to_the_right():
    bound = MAX_FRONTAL_YAW
    shares = np.array([2 * bound, -2 * bound, bound, -bound, np.nan])
    assert poses(shares).tolist() == [RIGHT, LEFT, FRONTAL, FRONTAL, UNKNOWN]


def test_each_pose_has_the_logits_of_its_frames(tmp_path):
    """Four frames: the map of each has its own sum. The last has no landmarks."""
    landmarks = turned([0, 0, 0.3, 0])
    landmarks[3] = np.nan
    maps = np.zeros((4, SIZE, SIZE))
    maps[:, 20:28, 20:28] = np.array([1, 2, 4, 8])[:, None, None] / 64
    table = check(tmp_path, maps, landmarks=landmarks)
    assert table.index.tolist() == ["all", FRONTAL, RIGHT, UNKNOWN]
    assert table["frames"].tolist() == [8, 4, 2, 2]
    assert table["videos"].tolist() == [2, 2, 2, 2]
    assert table["units"].tolist() == [2, 2, 2, 2]
    assert table["landmarks_share"].tolist() == [0.75, 1, 1, 0]
    assert table["interpolated_share"].tolist() == [0, 0, 0, 0]
    sums = table[LOGITS].sum(axis=1)
    assert sums.to_numpy() == pytest.approx([3.75, 1.5, 4, 8], abs=0.01)


def test_landmarks_that_do_not_register_a_face_say_nothing_about_its_pose(tmp_path):
    """They are a hundred times too close. Eyes at one place say nothing either."""
    landmarks = turned([0.3, 0.3, 0.3])
    landmarks[0] = landmarks[0] / 100
    landmarks[1, 1] = landmarks[1, 0]
    table = check(tmp_path, np.ones((3, SIZE, SIZE)), landmarks=landmarks)
    assert table["frames"].to_dict() == {"all": 6, RIGHT: 2, UNKNOWN: 4}
    assert table.loc["all", "landmarks_share"] == pytest.approx(2 / 3)


def test_faces_that_coincide_have_a_sharp_mean(tmp_path):
    """One face is shown four times, at one place or shifted further and further."""
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (SIZE // 4, SIZE // 4, 3)).astype(np.uint8)
    face = face.repeat(4, 0).repeat(4, 1)
    found = []
    for shift in range(3):
        crops = np.stack([np.roll(face, shift * n, 1) for n in range(4)])
        folder = tmp_path / str(shift)
        table = check(folder, np.ones((4, SIZE, SIZE)), crops=crops)
        found.append(table.loc["all", "face_sharpness"])
        assert table.drop("all")["face_sharpness"].isna().all()
    assert found[0] == pytest.approx(1)
    assert (np.diff(found) < -0.05).all()


def test_landmarks_make_the_mean_of_faces_in_different_places_sharp(tmp_path):
    """The same face at different places of its crops."""
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (SIZE // 4, SIZE // 4, 3)).astype(np.uint8)
    face = face.repeat(4, 0).repeat(4, 1)
    shifts = np.array([-4, -2, 2, 4])
    crops = np.stack([np.roll(face, shift, 1) for shift in shifts])
    landmarks = turned([0] * 4)
    landmarks[..., 0] += shifts[:, None]
    maps = np.ones((4, SIZE, SIZE))
    without = check(tmp_path / "a", maps, crops=crops).loc["all"]
    aligned = check(tmp_path / "b", maps, crops=crops, landmarks=landmarks).loc["all"]
    assert without["face_sharpness"] < 0.6
    assert aligned["face_sharpness"] > 0.9


def test_without_contrast_the_sharpness_is_unknown(tmp_path):
    table = check(tmp_path, np.ones((2, SIZE, SIZE)))
    assert np.isnan(table.loc["all", "face_sharpness"])
