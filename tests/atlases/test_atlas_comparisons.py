"""The audit of baselines, and comparisons of detectors, in cases worked by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.atlases.differences import (
    MODEL,
    SIGNIFICANCE_COLUMNS,
    TRAINING,
    Detector,
    comparison_table,
    mark_differences,
    model_differences,
    outcome_differences,
    read_squares,
    read_threshold,
    survivors,
    write_squares,
)
from pipeline.atlases.reduction import cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import region_grid
from pipeline.faces.shards import FaceShard
from pipeline.statistics.pooling import pool_maps
from pipeline.statistics.significance import joint_threshold
from tests.support.shards import row, write_faces, write_maps

SIZE = 32
PEOPLE = 24


def frames(baseline, logit, **columns):
    count = len(logit)
    keys = {"dataset": "d", "compression": "c23", "method": "A", "video": range(count)}
    logits = {"baseline_logit": baseline, "logit": logit}
    results = {"baseline_video": "", "converged": True, "steps": 9} | columns
    return pd.DataFrame(keys | logits | results)


def test_the_audit_summarizes_the_logits_of_baselines():
    black = frames([2.0, 4.0, -3.0], [6.0, 4.0, 1.0], converged=[True, True, False])
    videos = ["d/c23/real/1", "d/c40/real/1", "d/c23/real/2"]
    real = frames([-1.0, -1.0, -1.0], [3.0, 1.0, 0.0], steps=[9, 9, 12])
    real = real.assign(baseline_video=videos)
    found = audit({"black": black, "nearest_real": real}, threshold=2.0)
    first, second = found.itertuples()
    assert (first.baseline, second.baseline) == ("black", "nearest_real")
    assert first.frames == 3
    assert first.baseline_logit == pytest.approx(1.0)
    assert (first.lowest, first.highest) == (-3.0, 4.0)
    assert first.called_fake == pytest.approx(2 / 3)
    assert first.size_of_change == pytest.approx((4 + 0 + 4) / 3)
    assert first.from_baseline == pytest.approx((2 / 8 + 4 / 8 + 3 / 4) / 3)
    assert first.converged == pytest.approx(2 / 3)
    assert (second.called_fake, second.steps) == (0.0, 10.0)
    assert (first.same_set, second.same_set) == (0.0, pytest.approx(2 / 3))
    assert second.from_baseline == pytest.approx((1 / 4 + 1 / 2 + 1) / 3)


def test_agreement_is_spearmans_over_the_frames_of_both_baselines():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 5, 8, 8)).round(1)  # with ties
    rows = pd.DataFrame({"shard": "s", "crop": range(5), "method": list("AAABB")})
    rows = rows.assign(dataset="d", compression="c23")
    order = [4, 2, 0, 1]  # the second is shuffled and lacks the last frame
    samples = {
        "black": (maps[0], rows),
        "noise": (maps[1][order], rows.iloc[order].reset_index(drop=True)),
    }
    found = agreement(samples).set_index("method")
    each = [spearmanr(*(m[n].ravel() for m in maps)).statistic for n in range(5)]
    assert found.loc["A", "frames"] == 3
    assert found.loc["B", "frames"] == 1
    assert found.loc["A", "rank_correlation"] == pytest.approx(np.mean(each[:3]))
    assert found.loc["A", "std"] == pytest.approx(np.std(each[:3]))
    assert found.loc["B", "rank_correlation"] == pytest.approx(each[4])


def cells_of(folder, spot, scale=1):
    """Cells of a detector whose maps are noise, plus `spot` in each pixel of a spot,
    times `scale`."""
    videos = [row(n, method) for n in range(PEOPLE) for method in ("A", "real")]
    blank = [np.zeros((2, SIZE, SIZE), np.uint8)] * len(videos)
    faces, maps_path = folder / "faces" / "s.h5", folder / "maps" / "s.h5"
    pictures = [np.zeros((2, SIZE, SIZE, 3), np.uint8)] * len(videos)
    write_faces(faces, videos, pictures, blank)
    with FaceShard(faces) as shard:
        table = shard.labelled_frames()
    maps = np.random.default_rng(1).normal(0.001, 0.01, (len(table), SIZE, SIZE))
    other = np.random.default_rng(2 if spot else 1).normal(0, 0.002, maps.shape)
    maps += other
    maps[:, 4:8, 4:8] += spot
    maps *= scale
    write_maps(maps_path, table, maps, maps.sum((1, 2)))
    found = sum_shards(
        [maps_path],
        [faces],
        mean_mask=np.full((SIZE, SIZE), 0.5),
        threshold=0.0,
        regions=region_grid(SIZE, 1.3),
        seed=0,
    )
    return cell_arrays(with_all_outcomes(found.cells))


def compared(**cells):
    """The differences of detectors, by their names, and the table of them."""
    detectors = {Detector(name, "all", name.strip("_")): c for name, c in cells.items()}
    found = model_differences(detectors)
    threshold = joint_threshold(one.picture for *_, one in found if one.picture)
    return found, threshold, comparison_table(found, threshold)


def test_a_detector_does_not_differ_from_itself(tmp_path):
    one = cells_of(tmp_path / "a", 0.0)
    found, _, table = compared(one=one, same=one)
    assert {d.cell.method for *_, d in found} == {"A", "real"}
    assert (table["distance"] == 0).all()
    assert (table["norm_ratio"] == 1).all()
    assert table["correlation"].to_numpy() == pytest.approx(1)
    assert table["significant_share"].isna().all()  # nothing varies


def test_a_detector_does_not_differ_from_itself_at_another_scale(tmp_path):
    one, twice = cells_of(tmp_path / "a", 0.02), cells_of(tmp_path / "b", 0.02, scale=2)
    *_, table = compared(one=one, twice=twice)
    assert (table["distance"] < 0.01).all()
    assert table["norm_ratio"].to_numpy() == pytest.approx(0.5, rel=1e-3)
    assert (table["significant_share"] == 0).all()


def test_only_squares_where_two_detectors_differ_are_significant(tmp_path):
    one, other = cells_of(tmp_path / "a", 0.0), cells_of(tmp_path / "b", 0.02)
    differences, threshold, table = compared(one=one, other=other)
    for (*_, found), row_of in zip(differences, table.itertuples(), strict=True):
        significant = found.significant(threshold)
        assert significant[4:8, 4:8].all()
        # All others have a smaller share of the map with the spot.
        assert significant.sum() <= 16 + 20
        mean = found.cell.mean.astype(float), found.other.mean.astype(float)
        norms = [np.abs(pool_maps(m)).sum() for m in mean]
        apart = mean[0] / norms[0] - mean[1] / norms[1]
        assert found.mean == pytest.approx(pool_maps(apart), abs=1e-6)
        assert (found.mean[4:8, 4:8] < 0).all()
        assert row_of.distance == pytest.approx(np.abs(apart).sum(), rel=1e-3)
        assert row_of.norm_ratio == pytest.approx(norms[0] / norms[1], rel=1e-3)
        assert row_of.significant_share == significant.mean()
        assert (row_of.detector, row_of.other) == ("one/all", "other/all")


def test_trainings_of_one_model_are_compared_beside_models(tmp_path):
    one, other = cells_of(tmp_path / "a", 0.0), cells_of(tmp_path / "b", 0.02)
    *_, table = compared(one=one, one_=other, two=other, two_=one)
    pairs = table.drop_duplicates(["detector", "other"])
    found = {(r.detector, r.other): r.comparison for r in pairs.itertuples()}
    assert found == {
        ("one/all", "one_/all"): TRAINING,
        ("one/all", "two/all"): MODEL,
        ("one/all", "two_/all"): MODEL,
        ("two/all", "two_/all"): TRAINING,
    }


def test_right_and_wrong_frames_are_compared_in_shape(tmp_path):
    """Twice as strong maps of the same shape do not differ; a moved spot does."""
    cell = cells_of(tmp_path / "a", 0.02)[0]
    drawn = np.random.default_rng(0).normal(0, 1e-4, (2, 400, SIZE, SIZE))
    shape = cell.shape.astype(float)
    right = replace(cell, outcome="right", shape_replicates=shape + drawn[0])
    stronger = replace(right, outcome="wrong", pooled=2 * cell.pooled)
    stronger = replace(stronger, shape_replicates=shape + drawn[1])
    moved = np.roll(shape, 10, axis=1)
    elsewhere = replace(stronger, shape=moved, shape_replicates=moved + drawn[1])
    (same,), (different,) = (
        outcome_differences([right, wrong]) for wrong in (stronger, elsewhere)
    )
    threshold = joint_threshold([same.picture, different.picture])
    assert not same.significant(threshold).any()
    assert different.significant(threshold)[4:8, 4:8].all()
    assert different.significant(threshold)[4:8, 14:18].all()


def test_what_survives_every_baseline_has_one_sign_in_all(tmp_path):
    spots = cells_of(tmp_path / "a", 0.02)
    (fake,) = [c for c in spots if c.method == "A" and c.outcome == "all"]
    real = [c for c in spots if c.method == "real"]
    spot = np.zeros((SIZE, SIZE))
    spot[4:8, 4:8], spot[20:24, 20:24] = 1.0, 1.0
    noise = np.random.default_rng(1).normal(0, 0.02, (400, SIZE, SIZE))

    def atlas(values):
        return [replace(fake, pooled=values, replicates=values + noise), *real]

    black, turned = spot.copy(), spot.copy()
    turned[20:24, 20:24] = -1.0
    found = survivors({"black": atlas(black), "grey": atlas(turned)}, 2.0)
    (squares,) = found.values()
    assert squares[4:8, 4:8].all()
    assert squares[20:24, 20:24].sum() == 0
    assert squares.sum() <= 16 + 20
    assert not survivors({"black": atlas(black), "original": real}, 2.0)


def test_all_differences_of_a_run_have_a_row_and_one_threshold(tmp_path):
    one, other = cells_of(tmp_path / "a", 0.02), cells_of(tmp_path / "b", 0.0)
    detectors = Detector("one", "all", "one"), Detector("two", "all", "two")
    cells = {(detectors[0], "original"): one, (detectors[1], "original"): other}
    table, squares = mark_differences(cells)
    assert list(table) == SIGNIFICANCE_COLUMNS
    assert table["joint_threshold"].nunique() == 1
    assert read_threshold(table) == table["joint_threshold"][0]
    fakes = table[table["comparison"] == "zero"].set_index("model")
    assert fakes["tested"].all()
    assert fakes.loc["one", "significant_share"] >= 16 / SIZE**2
    assert fakes.loc["one", "significant_logits"] > 0.9 * 16 * 0.02
    assert fakes["significant_share"].is_monotonic_decreasing
    assert read_threshold(table.iloc[:0]) == np.inf
    write_squares(tmp_path / "squares.h5", squares)
    shares = read_squares(tmp_path / "squares.h5").mean((1, 2))
    assert np.array_equal(shares, table["significant_share"].fillna(0))
