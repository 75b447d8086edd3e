"""Clusters of maps: planted clusters are found, in any order and strength."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import adjusted_rand_score

from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
    deviations,
    neighbour_graph,
    surrogates,
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


def smooth_noise(units, seed) -> np.ndarray:
    """Noise (N, side, side). Maps of one unit share half of its variance."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(len(units) + units.max() + 1, SIDE, SIDE))
    smooth = gaussian_filter(drawn, (0, 1.5, 1.5))
    return (smooth[: len(units)] + smooth[len(units) :][units]) / smooth.std()


def test_overlapping_kinds_are_found():
    units = np.arange(144) % 16
    kinds = np.repeat([0, 1], [90, 54])
    rows, columns = np.mgrid[:SIDE, :SIDE] - 16
    face = np.exp(-((rows / 7) ** 2 + (columns / 6) ** 2) / 2)
    mouth = np.exp(-(((rows - 5) / 2) ** 2 + (columns / 4) ** 2) / 2)
    maps = 4 * np.array([face, mouth])[kinds] + smooth_noise(units, 0)
    found = cluster_maps(maps, 0, groups=units)
    assert found.count == 2
    assert adjusted_rand_score(kinds, found.labels) > 0.8


def test_kinds_of_opposite_sign_are_found():
    units = np.arange(96) % 16
    signs = np.repeat([1, -1], [70, 26])
    face = np.pad(np.ones((12, 12)), 10)
    maps = 3 * signs[:, None, None] * face + smooth_noise(units, 1)
    found = cluster_maps(maps, 0, groups=units)
    assert found.count == 2
    assert adjusted_rand_score(signs, found.labels) == 1


def test_maps_of_one_kind_are_one_cluster():
    units = np.arange(72) % 12
    assert cluster_maps(smooth_noise(units, 0), 0, groups=units).count == 1


def test_surrogates_have_the_mean_and_the_covariance_of_units_and_of_items():
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(6), 5)
    rows = deviations(rng.normal(size=(30, 4)) + 2 * rng.normal(size=(6, 4))[units])
    means = np.array([rows[units == unit].mean(0) for unit in range(6)])
    wanted = means.T @ means
    drawn = next(surrogates(rows, units, 1, rng))
    found = np.array([drawn[units == unit].mean(0) for unit in range(6)])
    assert not np.allclose(found, means, atol=0.1)
    assert np.allclose(found.T @ found, wanted)
    assert np.allclose(drawn.T @ drawn, rows.T @ rows)


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
