"""Atlases: sums that add up, the same bits in any order, and bounded memory."""

import tracemalloc

import h5py
import numpy as np
import pandas as pd
import pytest

import pipeline.atlases.reduction
from pipeline.atlases.arrays import CELL_KEYS, read_cells, write_cells
from pipeline.atlases.gallery import cosine_similarity, pick_examples, read_frames
from pipeline.atlases.heats import HEATS
from pipeline.atlases.ledger import ledger
from pipeline.atlases.mask_agreement import SCORES
from pipeline.atlases.overlays import Look, overlay
from pipeline.atlases.reduction import cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import moved_region_grids, region_grid
from pipeline.atlases.tables import cell_table
from pipeline.attributions import originals
from pipeline.faces.shards import FaceShard
from pipeline.files.hdf5 import mark
from pipeline.statistics.pooling import pool_maps
from pipeline.statistics.resampling import MIN_UNITS
from pipeline.videos.table import UNKNOWN_LABEL
from tests.support.shards import (
    MAP_SIZE,
    make_map_shard,
    row,
    write_faces,
    write_maps,
)
from tests.support.significance import significant_squares


def reduced(shards, seed=0, reverse=False):
    shards = shards[::-1] if reverse else shards
    maps, faces = [s[0] for s in shards], [s[1] for s in shards]
    return sums_of(maps, faces[::-1], mean_mask=0.5, seed=seed)


def sums_of(maps, faces, mean_mask=0.0, seed=0, known=()):
    """The sums of shards of maps and faces, with a constant mean mask, or without.

    `known` are their originals.
    """
    prior = None if mean_mask is None else np.full((MAP_SIZE, MAP_SIZE), mean_mask)
    return sum_shards(
        maps,
        faces,
        known,
        mean_mask=prior,
        threshold=0.0,
        regions=region_grid(MAP_SIZE, 1.3),
        seed=seed,
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    people = ([1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12])
    return [
        make_map_shard(folder, f"data-test-{n:03d}", some, n, spot=2.0)
        for n, some in enumerate(people)
    ]


def test_a_cell_is_the_mean_of_its_frames(shards):
    found = reduced(shards)
    table = found.frames
    maps = np.concatenate([s[2].astype(np.float16).astype(np.float64) for s in shards])
    for key, cell in with_all_outcomes(found.cells).items():
        wanted = (table["method"] == key[2]) & (
            (table["outcome"] == key[4]) | (key[4] == "all")
        )
        assert cell.signed.count == wanted.sum()
        assert np.allclose(cell.signed.mean, maps[wanted].mean(0), atol=1e-12)
        assert np.allclose(cell.absolute.mean, np.abs(maps[wanted]).mean(0), atol=1e-12)
        if wanted.sum() > 1:
            assert np.allclose(cell.signed.std(), maps[wanted].std(0, ddof=1))


def test_a_cell_states_the_error_of_its_mean_map(shards):
    """The nested differences of these shards are a tenth of their maps. So are those
    of the mean map, however much the maps differ."""
    found = reduced(shards)
    table = cell_table(found.frames, cell_arrays(with_all_outcomes(found.cells)))
    assert table["map_error"].to_numpy() == pytest.approx(0.1 / 3**0.5, rel=1e-3)
    known = table[table["units"] >= MIN_UNITS]
    assert len(known)
    assert (known["sampling_error"] > 0.02).all()
    ratio = known["map_error"] / known["sampling_error"]
    assert np.allclose(known["integration_ratio"], ratio)
    assert table.loc[table["units"] < MIN_UNITS, "sampling_error"].isna().all()


def test_a_cells_map_adds_up_to_the_mean_change_of_the_logit(shards):
    found = reduced(shards)
    cells = with_all_outcomes(found.cells)
    table = cell_table(found.frames, cell_arrays(cells))
    summary = table.set_index(CELL_KEYS)
    assert set(summary.index) == set(cells)
    grids = region_grid(MAP_SIZE, 1.3), moved_region_grids(MAP_SIZE, 1.3)
    parts = ledger(cells, *grids).set_index([*CELL_KEYS, "region"])
    for key, cell in cells.items():
        total = cell.signed.mean.sum() + cell.region_sums[-1] / cell.signed.count
        assert total == pytest.approx(summary.loc[key, "mean_attribution_sum"])
        assert total == pytest.approx(summary.loc[key, "mean_change"], abs=0.01)
        values = parts.loc[key]["logits"]
        assert values.drop("all").sum() == pytest.approx(total)
        assert values["all"] == pytest.approx(total)
        assert parts.loc[key]["area"].drop("all").sum() == pytest.approx(1)
        total_row = parts.loc[(*key, "all")]
        assert total_row["low"] <= total_row["logits"] <= total_row["high"]


def test_unlabelled_frames_are_left_out(tmp_path):
    """They are between others, whose maps stay theirs; no mean mask is needed."""
    methods, size = ("A", "unlabelled", "real"), (MAP_SIZE, MAP_SIZE)
    videos = [row(n, method) for n in range(3) for method in methods]
    for video in videos:
        if video["method"] == "unlabelled":
            video["label"] = UNKNOWN_LABEL
    crops = [np.zeros((2, *size, 3), np.uint8)] * len(videos)
    masks = [np.full((2, *size), v["label"] == 1, np.uint8) for v in videos]
    for mask in masks:
        mask[:, :10] = 0
    faces, maps_path = tmp_path / "f" / "s.h5", tmp_path / "m" / "s.h5"
    write_faces(faces, videos, crops, masks)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    values = np.arange(len(table)) / 64
    maps = np.zeros((len(table), *size))
    maps[:, 20, 15] = values
    write_maps(maps_path, table, maps, values)
    found = sums_of([maps_path], [faces], mean_mask=None)
    kept = (table["label"] != UNKNOWN_LABEL).to_numpy()
    assert set(found.frames["method"]) == {"A", "real"}
    assert {key[2] for key in found.cells} == {"A", "real"}
    assert found.frames["place"].tolist() == np.flatnonzero(kept).tolist()
    assert found.frames["attribution_sum"].tolist() == values[kept].tolist()
    assert found.sample.sum((1, 2)) == pytest.approx(values[kept], abs=1e-6)
    fakes = found.frames[found.frames["label"] == 1]
    assert fakes["relevance_mass"].notna().any()
    assert found.frames["shuffled_auc"].isna().all()
    scored = np.isfinite(found.scores).any((0, 1, 2, 4))
    unknown = {"mean mask", "random weights"}
    assert set(np.array(HEATS)[scored]) == set(HEATS) - unknown


def test_maps_of_faces_with_landmarks_are_moved_and_keep_their_sum(tmp_path):
    """A map moves with its face to the canonical place, and keeps its sum."""
    turn = np.array([[[1.0, 0, 5], [0, 1.0, -3]]])
    videos = [row(n, "A") for n in range(6)]
    crops = [np.zeros((2, MAP_SIZE, MAP_SIZE, 3), np.uint8)] * 6
    masks = [np.zeros((2, MAP_SIZE, MAP_SIZE), np.uint8)] * 6
    faces, maps_path = tmp_path / "f" / "s.h5", tmp_path / "m" / "s.h5"
    write_faces(faces, videos, crops, masks, turn)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    maps = np.zeros((12, MAP_SIZE, MAP_SIZE))
    maps[:, 20, 10], maps[:, 1, 35] = 1.0, 0.5  # the second is off the grid
    write_maps(maps_path, table, maps, np.full(12, 1.5))
    found = sums_of([maps_path], [faces])
    (cell,) = found.cells.values()
    assert cell.signed.mean[16:19, 14:17].sum() == pytest.approx(1.0)
    assert cell.signed.mean.sum() == pytest.approx(1.0)
    assert cell.region_sums[-1] / 12 == pytest.approx(0.5)


def test_shards_in_any_order_give_the_same_bits(shards, tmp_path):
    written = []
    for reverse in (False, True):
        found = reduced(shards, reverse=reverse)
        path = tmp_path / f"{reverse}.h5"
        write_cells(path, cell_arrays(with_all_outcomes(found.cells)), {})
        tables = [found.frames.to_csv(), found.sampled.to_csv()]
        written.append((path.read_bytes(), found.scores.tobytes(), *tables))
        assert len(read_cells(path)) == len(with_all_outcomes(found.cells))
    assert written[0] == written[1]


def test_only_squares_that_differ_from_real_faces_are_significant(shards):
    arrays = cell_arrays(with_all_outcomes(reduced(shards).cells))
    found = significant_squares(arrays)
    spot = np.zeros((MAP_SIZE, MAP_SIZE))
    spot[30:33, 15:21] = 1
    is_spot = pool_maps(spot) > 0.5
    assert found["A", "all"][is_spot].mean() > 0.6
    assert found["A", "all"][pool_maps(spot) == 0].mean() < 0.01
    assert {method for method, _ in found} == {"A"}  # real faces are not tested


def test_with_many_people_a_difference_of_four_standard_errors_is_significant(tmp_path):
    """The wider bound for few people would miss most of it."""
    spot = 18 * 4 * 0.01 / np.sqrt(60)
    shard = make_map_shard(tmp_path, "data-test-000", range(60), 3, spot=spot)
    arrays = cell_arrays(with_all_outcomes(reduced([shard]).cells))
    (cell,) = [c for c in arrays if c.method == "A" and c.outcome == "all"]
    assert cell.units == 60
    square = np.zeros((MAP_SIZE, MAP_SIZE))
    square[30:33, 15:21] = 1
    found = significant_squares(arrays)["A", "all"]
    assert found[pool_maps(square) > 0.5].mean() > 0.7
    assert found[pool_maps(square) == 0].mean() < 0.01


def test_maps_from_originals_are_tested_against_zero(shards):
    """Real faces have no maps from originals."""
    cells = with_all_outcomes(reduced(shards).cells)
    fakes = {key: cell for key, cell in cells.items() if key[3] == 1}
    arrays = cell_arrays(fakes)
    found = significant_squares(arrays, "original")["A", "all"]
    spot = np.zeros((MAP_SIZE, MAP_SIZE))
    spot[30:33, 15:21] = 1
    assert found[pool_maps(spot) > 0.5].mean() > 0.6
    assert found[pool_maps(spot) == 0].mean() < 0.01
    assert not significant_squares(arrays)  # from black they need real faces


def test_changed_pixels_are_a_second_truth(shards, tmp_path):
    """One crop has an aligned original that differs in its lower left quarter."""
    maps, faces = shards[0][0], shards[0][1]
    with FaceShard(faces) as shard:
        count = len(shard.frames)
    changed = np.zeros((count, MAP_SIZE, MAP_SIZE), np.uint8)
    changed[0, MAP_SIZE // 2 :, : MAP_SIZE // 2] = 1
    path = tmp_path / faces.name
    with h5py.File(path, "w") as file:
        mark(file, originals.FORMAT, originals.VERSION, {})
        file["changed"], file["crops"] = changed, np.repeat(changed[..., None], 3, 3)
        file["frames/aligned"] = changed.any((1, 2))
    found = sums_of([maps], [faces], mean_mask=0.5, known=[path])
    official, changed = found.scores[:, :, 0, 0, SCORES.index("mask_share")].T
    assert changed[np.isfinite(changed)].tolist() == [0.25]
    assert set(official[np.isfinite(official)]) == {0.5}
    assert found.frames["mask_share"].max() == 0.5  # that of the official mask


def test_mean_masks_are_means_over_the_frames_whose_mask_is_known(tmp_path):
    """A mask video that ends early has masks for the first frames only."""
    faces, maps_path = tmp_path / "f" / "s.h5", tmp_path / "m" / "s.h5"
    masks = np.ones((4, MAP_SIZE, MAP_SIZE), np.uint8)
    masks[2:] = 0
    crops = np.zeros((4, MAP_SIZE, MAP_SIZE, 3), np.uint8)
    write_faces(faces, [row(0, "A")], [crops], [masks])
    with h5py.File(faces, "a") as file:
        file["frames/has_mask"][:] = [True, True, False, False]
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    write_maps(maps_path, table, np.zeros((4, MAP_SIZE, MAP_SIZE)), np.zeros(4))
    found = sums_of([maps_path], [faces])
    arrays = cell_arrays(with_all_outcomes(found.cells))
    assert {cell.mask.min() for cell in arrays} == {1.0}
    assert {cell.mask.max() for cell in arrays} == {1.0}


def test_with_few_people_nothing_is_significant(tmp_path):
    shards = [make_map_shard(tmp_path, "data-test-000", [1, 2], 0, spot=5.0)]
    arrays = cell_arrays(with_all_outcomes(reduced(shards).cells))
    found = significant_squares(arrays)
    assert found
    assert not any(squares.any() for squares in found.values())


def test_forty_times_more_maps_do_not_need_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline.atlases.reduction, "MAX_SAMPLE", 20)
    peaks = []
    for name, people in (("few", range(5)), ("many", range(200))):
        shards = [make_map_shard(tmp_path, name, people, 0, frames=1)]
        reduced(shards)  # so that imports and caches do not count
        tracemalloc.start()
        found = reduced(shards)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found.frames) == 2 * len(people)
    # The tables take a little; 400 maps would take 4 MB, and 14 MB with their crops.
    assert peaks[1] - peaks[0] < 2.5e6, peaks


def test_frames_are_read_in_the_order_of_the_rows(shards):
    found = reduced(shards)
    rows = found.frames.iloc[[20, 0, 9, 3]]
    paths = [[s[k] for s in shards] for k in (0, 1)]
    maps = np.concatenate([s[2] for s in shards]).astype(np.float16)
    for frame, index in zip(read_frames(rows, *paths), rows.index, strict=True):
        assert frame.row["video"] == found.frames["video"][index]
        assert np.array_equal(frame.heatmap, maps[index].astype(np.float32))


def test_a_face_is_shown_where_its_registered_map_is(tmp_path):
    """A spot of a crop and the same spot of its map move to the same place."""
    turn = np.array([[[0.9, -0.2, 5], [0.2, 0.9, -3]]])
    crop = np.zeros((1, MAP_SIZE, MAP_SIZE, 3), np.uint8)
    crop[:, 18:22, 14:18] = 255
    faces, maps_path = tmp_path / "f" / "s.h5", tmp_path / "m" / "s.h5"
    masks = [np.zeros((1, MAP_SIZE, MAP_SIZE), np.uint8)]
    write_faces(faces, [row(1, "A")], [crop], masks, turn)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    maps = (crop[..., 0] > 0) / 16
    write_maps(maps_path, table, maps, np.ones(1))
    found = sums_of([maps_path], [faces])
    (cell,) = found.cells.values()
    (frame,) = read_frames(found.frames, [maps_path], [faces])
    shown = frame.canonical_crop()[..., 0] / 255
    assert np.array_equal(frame.crop, crop[0])
    assert np.corrcoef(shown.ravel(), cell.signed.mean.ravel())[0, 1] > 0.97
    assert np.corrcoef(crop[0, ..., 0].ravel(), cell.signed.mean.ravel())[0, 1] < 0.6


def test_examples_are_of_different_videos_the_largest_margin_first(shards):
    frames = reduced(shards).frames
    similarity = pd.Series(np.arange(10.0), index=frames.index[:10])
    for title, rows in pick_examples(frames, similarity, 3).items():
        assert rows["video"].is_unique
        assert len(rows) <= 3
        if "most certain" in title:
            margins = rows["margin"].tolist()
            assert margins == sorted(margins, reverse=True)
        else:
            assert rows.index.isin(similarity.index).all()


def test_cosine_similarity():
    heatmap = np.random.default_rng(0).normal(size=(8, 8))
    assert cosine_similarity(heatmap, 3 * heatmap) == pytest.approx(1)
    assert cosine_similarity(heatmap, -heatmap) == pytest.approx(-1)
    assert cosine_similarity(heatmap, 0 * heatmap) == 0


def test_an_overlay_shows_the_face_where_the_map_is_zero_and_else_its_sign():
    face = np.full((32, 32, 3), 128, np.uint8)
    heatmap = np.zeros((32, 32), np.float32)
    heatmap[4:12, 4:12], heatmap[20:28, 20:28] = 1, -1
    shown = overlay(heatmap, face, limit=1.0, look=Look("vik", 0.7))
    assert shown[16, 16] == pytest.approx([128 / 255] * 3, abs=0.01)
    red, blue = shown[8, 8], shown[24, 24]
    assert red[0] > red[2] + 0.15
    assert blue[2] > blue[0] + 0.15
