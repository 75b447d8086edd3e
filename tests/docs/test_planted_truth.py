"""The corpora with a known forgery: what is planted, and what is read of an atlas."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.planted_truth import (
    CORPORA,
    CROP_BELOW,
    CROP_SIDE,
    MARK_OPACITY,
    MARK_SIDE,
    Result,
    additivity,
    cluster_lift,
    cluster_planted,
    intervention_planted,
    map_correlation,
    mark_opacity,
    marked_frame,
)
from pipeline.atlases.clusters import Clusters, cluster_summary, cluster_table
from pipeline.atlases.intervention_tables import region_effect_table
from pipeline.videos.miniature.scene import make_scene


@pytest.mark.parametrize("person", [0, 3])
def test_a_mark_is_in_the_crop_and_changes_nothing_else(person):
    scene = make_scene(0, person, (3, 3))
    pose, frame = scene.poses(2)[0], scene.takes[2].frame
    opacity = mark_opacity(pose, frame.shape[:2])
    marked = marked_frame(frame, opacity)
    is_marked = opacity > 0
    assert (marked == frame)[~is_marked].all()
    assert (marked != frame).any(-1)[is_marked].mean() > 0.9
    rows, columns = np.nonzero(is_marked)
    side = CROP_SIDE * pose.half_width
    across = (columns - pose.x) / side
    below = (rows - pose.y - CROP_BELOW * pose.half_width) / side
    area = opacity.sum() / MARK_OPACITY
    assert area == pytest.approx((MARK_SIDE * side) ** 2, rel=0.2)
    for places in (across, below):
        assert 0.25 < places.min() < places.max() < 0.48


def test_effects_and_clusters_are_read_of_the_tables_that_the_pipeline_writes(tmp_path):
    result = Result(CORPORA["mouth"], tmp_path, "original")
    result.atlas.mkdir(parents=True)
    keys = {"dataset": "d", "compression": "c23"}
    videos = [
        keys
        | {"method": method, "outcome": "right", "unit": f"d/{n}", "logit": 1.0}
        | {"second_unit": "", "video": f"{method}/{n}"}
        for n in range(8)
        for method in ("NeuralTextures", "real")
    ]
    regions = [
        video
        | {"subject": 0, "number": 0, "region": region, "removal": does}
        | {"insertion": 2 * does, "map_logits": does}
        | {"fake_logit": 3.0, "original_logit": -1.0}
        for video in videos[::2]
        for region, does in (("mouth", 3.0), ("nose", 1.0), ("eyes", -2.0))
    ]
    table = region_effect_table(pd.DataFrame(regions), 50, 0)
    table.to_csv(result.detector / "interventions.csv")
    assert intervention_planted(result, "removal") == pytest.approx(3 / 4)
    assert additivity(result, "insertion") == pytest.approx(1.0)
    assert map_correlation(result) == pytest.approx(1.0)
    assert np.isnan(
        intervention_planted(Result(result.corpus, tmp_path, "black"), "map")
    )

    labels = np.array([1, 0] * 7 + [0, 0])  # cluster 1 has nothing but fakes
    clusters = Clusters(labels, np.zeros((16, 2)), np.zeros(16), 2)
    rows, maps = pd.DataFrame(videos), np.ones((16, 2, 2))
    maps[labels == 1, 0, 0] = 5
    cluster_table(clusters, rows, resamples=50, seed=0).to_csv(
        result.atlas / "cluster_cells.csv"
    )
    regions = np.array([[1, 0], [0, 0]])
    cluster_summary(
        clusters, rows, maps, regions=regions, names=["outside the face", "mouth"]
    ).to_csv(result.atlas / "clusters.csv")
    assert cluster_lift(result) == pytest.approx(2.0)
    assert cluster_planted(result) == pytest.approx(5 / 8)
