"""Clusters of attribution maps: the few ways in which a model looks at faces.

Spectral relevance analysis (SpRAy; Lapuschkin et al. 2019, "Unmasking Clever Hans
predictors and assessing what machines really learn", Methods). Maps are pooled and
scaled to the same strength, and each is connected to its nearest neighbours. The graph
is divided into clusters at the largest eigengap of its Laplacian. A cluster that looks
at the background, and holds more than its share of a method, shows a model that is
right for the wrong reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import kneighbors_graph

from pipeline.statistics.resampling import (
    count_units,
    interval,
    units_of,
    weights,
)

BLUR_SIGMA = 1 / 32  # as a share of the side, before maps are compared
MIN_MAPS = 10  # fewer maps are not divided
MAX_NEIGHBOURS = 10
KMEANS_STARTS = 20  # the best is kept
# The share of each map's edges that is spread evenly over all maps (Amini et al. 2013,
# "Pseudo-likelihood methods for community detection", section 2.3). It keeps the graph
# connected, so that eigenvectors are defined if clusters do not share any neighbours.
UNIFORM_EDGE_SHARE = 0.05
# The columns that say which frames a cluster may hold more or less of than its share.
CELL_COLUMNS = ["dataset", "compression", "method", "outcome"]


@dataclass(frozen=True)
class Clusters:
    """A division of N maps. All arrays are in the order of the maps.

    Attributes:
        labels: (N,) int64; 0 is the largest cluster.
        embedding: (N, 2) float64, the first two eigenvectors that are not constant, for
            a scatter plot. Zeros if there were too few maps to divide.
        silhouettes: (N,) float64 in -1..1: how much closer (cosine) a map is to its own
            cluster than to the next one (Rousseeuw 1987). NaN if there is one cluster.
        count: the number of clusters.
    """

    labels: np.ndarray
    embedding: np.ndarray
    silhouettes: np.ndarray
    count: int


def clusters_of(members: pd.DataFrame) -> Clusters:
    """The division in a table of members with cluster, x, y and silhouette."""
    labels = members["cluster"].to_numpy(np.int64)
    embedding = members[["x", "y"]].to_numpy(np.float64)
    silhouettes = members["silhouette"].to_numpy(np.float64)
    return Clusters(labels, embedding, silhouettes, int(labels.max()) + 1)


def shapes(maps: np.ndarray) -> np.ndarray:
    """Blurred maps of length 1, to compare them: (N, side * side) float64.

    The blur makes spots in neighbouring squares similar. A map of zeros stays zero.
    """
    sigma = maps.shape[-1] * BLUR_SIGMA
    smooth = gaussian_filter(maps.astype(np.float64), (0, sigma, sigma))
    flat = smooth.reshape(len(maps), -1)
    length = np.sqrt((flat**2).sum(1, keepdims=True))
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)


def cluster_maps(
    maps: np.ndarray,
    seed: int,
    *,
    max_clusters: int = 8,
    groups: np.ndarray | None = None,
) -> Clusters:
    """Divide signed maps (N, side, side) by their shape, whatever their strength.

    Each map is connected to its 10 nearest neighbours by cosine (to a third of the maps
    if there are fewer than 30). The number of clusters is the one in 1..`max_clusters`
    after which the eigenvalues of the normalised Laplacian increase most (von Luxburg
    2007, "A tutorial on spectral clustering", section 8.3). Without structure, the
    largest increase is after the first eigenvalue, which is 0: one cluster. Fewer than
    10 maps are one cluster. A gradual change may be divided into several clusters with
    low silhouettes.

    `groups` (N,) are the origins of the maps, such as videos or units. The neighbours
    of a map are then chosen from other origins first. Otherwise each video would become
    a cluster, because its frames are alike.

    The order and the strength of the maps do not change the division. It needs some
    N x N float64 of memory. Raises ValueError if a map is not finite.
    """
    count = len(maps)
    if not np.isfinite(maps).all():
        raise ValueError("cluster_maps: a map has values that are not finite")
    if count < MIN_MAPS:
        return Clusters(
            labels=np.zeros(count, np.int64),
            embedding=np.zeros((count, 2)),
            silhouettes=np.full(count, np.nan),
            count=1,
        )
    shape = shapes(maps)
    # Sort the maps by their values, so that the given order does not matter.
    order = np.argsort((shape * np.sqrt(np.arange(shape.shape[1]))).sum(1))
    shape = shape[order]
    distances = np.clip(1 - shape @ shape.T, 0, 2)
    np.fill_diagonal(distances, 0)
    graph = neighbour_graph(distances, None if groups is None else groups[order])
    eigenvalues, vectors = _spectrum(graph, max_clusters)
    found = int(np.argmax(np.diff(eigenvalues))) + 1
    labels = np.zeros(count, np.int64)
    silhouettes = np.full(count, np.nan)
    if found > 1:
        means = KMeans(found, n_init=KMEANS_STARTS, random_state=seed)
        labels = _by_size(means.fit_predict(vectors[:, 1:found]))
        silhouettes = silhouette_samples(distances, labels, metric="precomputed")
    back = np.argsort(order)
    embedding = vectors[:, 1:3]
    return Clusters(labels[back], embedding[back], silhouettes[back], found)


def neighbour_graph(
    distances: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """The graph of nearest neighbours, (N, N) float64, 0 or 1.

    Row i is 1 in the columns of the neighbours of i. `distances` is (N, N) in 0..2.
    With `groups` (N,), members of other groups come before all members of the own
    group.
    """
    ranked = distances
    if groups is not None:
        ranked = distances + 4 * (groups[:, None] == groups)
        # scikit-learn leaves out the nearest, which must be each map itself.
        np.fill_diagonal(ranked, 0)
    neighbours = min(MAX_NEIGHBOURS, len(distances) // 3)
    return kneighbors_graph(ranked, neighbours, metric="precomputed").toarray()


def _spectrum(graph: np.ndarray, max_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues (K,) of a graph's Laplacian, and eigenvectors (N, K or
    more).

    The Laplacian is that of the random walk, whose first eigenvalue is 0 with a
    constant eigenvector.
    """
    count = len(graph)
    graph = (graph + graph.T) / 2 + UNIFORM_EDGE_SHARE * graph[0].sum() / count
    matrix, root_degree = laplacian(graph, normed=True, return_diag=True)
    last = min(max(max_clusters, 2), count - 1)
    eigenvalues, vectors = eigh(matrix, subset_by_index=[0, last])
    vectors = vectors / root_degree[:, None]
    largest = np.abs(vectors).argmax(0)
    signs = np.sign(vectors[largest, np.arange(last + 1)])
    return eigenvalues[: max_clusters + 1], vectors * signs


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels (N,) renumbered from the largest cluster; equal sizes by first label."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.argsort(np.lexsort((first, -sizes)))
    return rank[inverse].astype(np.int64)


def cluster_table(
    clusters: Clusters, rows: pd.DataFrame, *, resamples: int, seed: int
) -> pd.DataFrame:
    """How many frames of each cell are in each cluster, and whether that is unusual.

    `rows` are the rows of the maps, with CELL_COLUMNS, units and video. Returns one
    row for each cluster and cell, with the columns cluster, CELL_COLUMNS and

    - frames, videos, units: counts.
    - share_of_cluster: the share of the cluster's frames that belong to the cell.
    - share_of_cell: the share of the cell's frames that belong to the cluster.
    - lift: the frames divided by those expected if clusters and cells are independent.
    - low, high: the 95 % interval of the lift, over `resamples` resamples of units. It
      is that of one lift alone, and clusters were made from the same frames: a large
      lift among many is a question to ask of other data, not a finding.
    """
    units = units_of(rows)
    table = rows.assign(cluster=clusters.labels, units=units)
    cells = sorted(set(rows[CELL_COLUMNS].itertuples(index=False, name=None)))
    keys = [(c, *cell) for c, cell in product(range(clusters.count), cells)]
    columns = ["cluster", *CELL_COLUMNS]
    index = pd.MultiIndex.from_tuples(keys, names=columns)
    by_cell = table.groupby(columns)
    counts = pd.DataFrame(
        {
            "frames": by_cell.size(),
            "videos": by_cell["video"].nunique(),
            "units": by_cell["units"].agg(count_units),
        }
    ).reindex(index, fill_value=0)
    by_unit = table.groupby([*columns, "units"]).size().unstack("units")
    by_unit = by_unit.reindex(index).fillna(0)  # (clusters x cells, units)
    shape = (-1, clusters.count, len(cells))
    drawn = weights(list(by_unit.columns), resamples, seed)
    lifts = _lift((drawn @ by_unit.to_numpy().T).reshape(shape)).reshape(resamples, -1)
    frames = counts["frames"].to_numpy(np.float64).reshape(shape)
    lift, total = _lift(frames).ravel(), count_units(units)
    pairs = zip(lift, lifts.T, strict=True)
    bounds = np.array([interval(value, drawn, total) for value, drawn in pairs])
    return counts.assign(
        share_of_cluster=(frames / frames.sum(2, keepdims=True)).ravel(),
        share_of_cell=(frames / frames.sum(1, keepdims=True)).ravel(),
        lift=lift,
        low=bounds[:, 0],
        high=bounds[:, 1],
    ).reset_index()


def _lift(frames: np.ndarray) -> np.ndarray:
    """Frames (R, clusters, cells) divided by those expected from the margins.

    NaN where none are expected.
    """
    expected = frames.sum(1, keepdims=True) * frames.sum(2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return frames * frames.sum((1, 2), keepdims=True) / expected


def cluster_summary(
    clusters: Clusters,
    rows: pd.DataFrame,
    maps: np.ndarray,
    *,
    regions: np.ndarray,
    names: Sequence[str],
) -> pd.DataFrame:
    """The size of each cluster, its logits, and where its attribution lies.

    `regions` (side, side) int is the region of each square: 0 is outside the face, and
    `names[n]` is the name of region n. Returns one row for each cluster, with counts,
    means and the columns

    - share_<name>: the region's mean share of a map's absolute attribution. Positive
      and negative values within a square have cancelled out before.
    - face_share: the sum of these shares without region 0.
    - top_region, top_share: the region with the largest share.
    - top_area: that region's share of the area, which is its expected share for a map
      that does not prefer any place.
    - one_video: whether all frames are of one video.

    Maps of zeros have no shares. Raises ValueError if a region has no name.
    """
    if regions.max() >= len(names):
        raise ValueError(f"cluster_summary: region {regions.max()} has no name")
    member = np.eye(len(names))[regions.ravel()]  # (side * side, regions)
    absolute = np.abs(maps.astype(np.float64)).reshape(len(maps), -1)
    total = absolute.sum(1, keepdims=True)
    share = np.divide(
        absolute @ member, total, out=np.full((len(maps), len(names)), np.nan),
        where=total > 0,
    )  # fmt: skip
    shares = pd.DataFrame(share, columns=[f"share_{name}" for name in names])
    table = shares.assign(
        cluster=clusters.labels,
        video=rows["video"].to_numpy(),
        units=units_of(rows),
        logit=rows["logit"].to_numpy(),
        sum=maps.sum((1, 2), dtype=np.float64),
        silhouette=clusters.silhouettes,
    )
    by_cluster = table.groupby("cluster")
    summary = by_cluster.agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        units=("units", count_units),
        mean_logit=("logit", "mean"),
        mean_attribution_sum=("sum", "mean"),
        mean_silhouette=("silhouette", "mean"),
    )
    means = by_cluster[list(shares)].mean()
    top = means.fillna(0).to_numpy().argmax(1)
    return summary.assign(
        face_share=means.iloc[:, 1:].sum(axis=1, skipna=False),
        top_region=[names[region] for region in top],
        top_share=means.to_numpy()[np.arange(len(top)), top],
        top_area=member.mean(0)[top],
        one_video=summary["videos"] == 1,
        **means,
    ).reset_index()


def typical_members(
    clusters: Clusters, maps: np.ndarray, rows: pd.DataFrame, *, count: int
) -> dict[int, np.ndarray]:
    """For each cluster, the `count` maps that are closest (cosine) to its mean shape.

    Returns positions in `maps`, the closest first, at most one map of each video.
    """
    shape = shapes(maps)
    videos = rows["video"].reset_index(drop=True)
    typical = {}
    for cluster in range(clusters.count):
        members = np.flatnonzero(clusters.labels == cluster)
        similarity = shape[members] @ shape[members].mean(0)
        nearest = members[np.argsort(-similarity, kind="stable")]
        typical[cluster] = videos[nearest].drop_duplicates().index[:count].to_numpy()
    return typical
