"""Clusters of maps: planted clusters are found, in any order and strength."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
    neighbour_graph,
    typical_members,
)

SIDE = 32
PLACES = ((28, 28), (20, 16), (9, 16))  # a corner, the mouth, the brow


def planted(
    count=90, seed=0, noise=0.05
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Maps with a spot in one of three places, the number of the place, and rows."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat([0, 1, 2], [count // 2, count // 3, count // 6])
    maps = rng.normal(0, noise, (count, SIDE, SIDE))
    for heatmap, kind in zip(maps, kinds, strict=True):
        y, x = PLACES[kind]
        heatmap[y - 2 : y + 2, x - 2 : x + 2] += 1
    maps *= rng.lognormal(0, 1, (count, 1, 1))
    rows = pd.DataFrame(
        {
            "dataset": "data",
            "compression": "c23",
            "method": np.where(kinds == 0, "A", "real"),
            "outcome": "right",
            "target": [f"{n % 15}" for n in range(count)],
            "video": [f"v{n // 2}" for n in range(count)],
            "logit": rng.normal(size=count),
        }
    )
    return maps, kinds, rows


def test_planted_clusters_are_found_and_counted():
    maps, kinds, _ = planted()
    found = cluster_maps(maps, 0)
    assert found.count == 3
    assert adjusted_rand_score(kinds, found.labels) == 1
    sizes = np.bincount(found.labels).tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert found.silhouettes.mean() > 0.3


def test_order_and_strength_do_not_matter():
    maps, _, _ = planted()
    wanted = cluster_maps(maps, 0)
    order = np.random.default_rng(1).permutation(len(maps))
    found = cluster_maps(maps[order] * 7.0, 0)
    assert adjusted_rand_score(wanted.labels[order], found.labels) == 1
    assert np.allclose(found.embedding, wanted.embedding[order], atol=1e-6)


def test_noise_has_no_clear_clusters():
    noise = np.random.default_rng(0).normal(size=(120, SIDE, SIDE))
    found = cluster_maps(noise, 0)
    assert found.count == 1 or found.silhouettes.mean() < 0.1


@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_are_the_nearest_maps_of_another_origin(grouped):
    points = np.random.default_rng(2).normal(size=(40, 3))
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    distances = 2 * apart / apart.max()
    groups = np.arange(40) // 2 if grouped else np.arange(40)
    graph = neighbour_graph(distances, groups if grouped else None)
    for number, row in enumerate(distances):
        others = np.flatnonzero(groups != groups[number])
        nearest = others[np.argsort(row[others])][:10]
        assert set(np.flatnonzero(graph[number])) == set(nearest)


@pytest.mark.parametrize("count", [1, 2, 9, 12])
def test_few_maps_can_be_clustered(count):
    maps, _, _ = planted()
    found = cluster_maps(maps[:count], 0)
    assert len(found.labels) == len(found.embedding) == count


def test_typical_members_are_in_the_cluster_and_of_different_videos():
    maps, _, rows = planted()
    found = cluster_maps(maps, 0)
    for cluster, members in typical_members(found, maps, rows, count=4).items():
        assert (found.labels[members] == cluster).all()
        assert rows["video"].iloc[members].is_unique


def test_tables_add_up_and_name_the_corner():
    maps, _, rows = planted(noise=0.003)
    found = cluster_maps(maps, 0)
    rows = rows.assign(unit=rows["target"], second_unit="")
    table = cluster_table(found, rows, resamples=200, seed=0)
    assert table["frames"].sum() == len(maps)
    by_cluster = table.groupby("cluster")["share_of_cluster"].sum()
    assert np.allclose(by_cluster, 1)
    corner = table[(table["cluster"] == 0) & (table["method"] == "A")].iloc[0]
    assert corner["lift"] == pytest.approx(
        2
    )  # all of its frames, which are half of all frames
    assert corner["low"] <= corner["lift"] <= corner["high"]
    regions = np.ones((SIDE, SIDE), int)
    regions[24:] = 0
    names = ("outside", "face")
    summary = cluster_summary(found, rows, maps, regions=regions, names=names)
    assert summary["frames"].sum() == len(maps)
    assert summary["top_region"].tolist() == ["outside", "face", "face"]
    assert np.allclose(summary["share_outside"] + summary["share_face"], 1)
