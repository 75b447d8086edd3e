"""The audit of baselines, and comparisons of detectors, in cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.atlases.model_comparison import difference_table, differences
from pipeline.atlases.reduction import cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import region_grid
from pipeline.faces.shards import FaceShard
from pipeline.statistics.pooling import pool_maps
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


def test_a_detector_does_not_differ_from_itself(tmp_path):
    one = cells_of(tmp_path / "a", 0.0)
    found = differences({"one": one, "same": one})
    assert {d.cell.method for d in found} == {"A", "real"}
    table = difference_table(found)
    assert (table["distance"] == 0).all()
    assert (table["norm_ratio"] == 1).all()
    assert table["correlation"].to_numpy() == pytest.approx(1)
    assert (table["significant_share"] == 0).all()


def test_a_detector_does_not_differ_from_itself_at_another_scale(tmp_path):
    one, twice = cells_of(tmp_path / "a", 0.02), cells_of(tmp_path / "b", 0.02, scale=2)
    table = difference_table(differences({"one": one, "twice": twice}))
    assert (table["distance"] < 0.01).all()
    assert table["norm_ratio"].to_numpy() == pytest.approx(0.5, rel=1e-3)
    assert (table["significant_share"] == 0).all()


def test_only_squares_where_two_detectors_differ_are_significant(tmp_path):
    one, other = cells_of(tmp_path / "a", 0.0), cells_of(tmp_path / "b", 0.02)
    for found in differences({"one": one, "other": other}):
        assert found.significant[4:8, 4:8].all()
        # All others have a smaller share of the map with the spot.
        assert found.significant.sum() <= 16 + 8
        mean = found.cell.mean.astype(float), found.other_cell.mean.astype(float)
        norms = [np.abs(pool_maps(m)).sum() for m in mean]
        apart = mean[0] / norms[0] - mean[1] / norms[1]
        assert found.heatmap == pytest.approx(apart)
        assert (found.heatmap[4:8, 4:8] < 0).all()
        apart = pool_maps(apart)
        row_of = difference_table([found]).iloc[0]
        assert row_of["distance"] == pytest.approx(np.abs(apart).sum())
        assert row_of["norm_ratio"] == pytest.approx(norms[0] / norms[1])
        assert (row_of["detector"], row_of["other"]) == ("one", "other")
