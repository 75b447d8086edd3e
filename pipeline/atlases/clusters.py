"""Clusters of attribution maps: the few ways in which a model looks at faces.

Spectral relevance analysis (SpRAy; Lapuschkin et al. 2019, "Unmasking Clever Hans
predictors and assessing what machines really learn", Methods): maps are pooled, each
brought to the same strength, joined to their nearest neighbours, and cut into clusters
where the graph's Laplacian has its largest eigengap. A cluster that looks at the
background, and holds more than its share of a method, is how one finds a model that is
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

from pipeline.statistics.bootstrap import interval
from pipeline.videos.table import persons

SMOOTHING = 1 / 32  # of the side: sigma of the blur before maps are compared
FEWEST = 10  # maps: fewer are not divided
NEIGHBOURS = 10
STARTS = 20  # of k-means; the best is kept
# Share of each map's ties that go to all alike (Amini et al. 2013, "Pseudo-likelihood
# methods for community detection", section 2.3). The graph then hangs together, so that
# eigenvectors stay defined where clusters have no neighbours in common.
TIES_TO_ALL = 0.05
# Frames of which clusters may hold more or less than their share.
CELLS = ["dataset", "compression", "method", "outcome"]


@dataclass(frozen=True)
class Clusters:
    """A division of N maps. All arrays are in the order of the maps.

    Attributes:
        labels: (N,) int64; 0 is the largest cluster.
        embedding: (N, 2) float64, the first two eigenvectors that are not trivial; for
            a scatter plot. Zeros where there were too few maps to divide.
        silhouettes: (N,) float64 in -1..1: how much nearer (cosine) a map is to its own
            cluster than to the next (Rousseeuw 1987); NaN if there is one cluster.
        count: the number of clusters.
    """

    labels: np.ndarray
    embedding: np.ndarray
    silhouettes: np.ndarray
    count: int


def clusters_of(members: pd.DataFrame) -> Clusters:
    """The division that a table of members describes: cluster, x, y and silhouette."""
    labels = members["cluster"].to_numpy(np.int64)
    embedding = members[["x", "y"]].to_numpy(np.float64)
    silhouettes = members["silhouette"].to_numpy(np.float64)
    return Clusters(labels, embedding, silhouettes, int(labels.max()) + 1)


def shapes(maps: np.ndarray) -> np.ndarray:
    """What is compared, (N, side * side) float64: blurred maps of length 1.

    The blur lets a spot meet its neighbour a square away. A map of zeros stays one.
    """
    sigma = maps.shape[-1] * SMOOTHING
    smooth = gaussian_filter(maps.astype(np.float64), (0, sigma, sigma))
    flat = smooth.reshape(len(maps), -1)
    length = np.sqrt((flat**2).sum(1, keepdims=True))
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)


def cluster_maps(
    maps: np.ndarray,
    seed: int,
    most_clusters: int = 8,
    groups: np.ndarray | None = None,
) -> Clusters:
    """Divide signed maps (N, side, side) by shape; strength does not count.

    Each map is joined to its 10 nearest neighbours by cosine (a third of the maps if
    there are fewer than 30). The number of clusters is the one of 1..`most_clusters`
    after which the eigenvalues of the normalised Laplacian rise most (von Luxburg 2007,
    "A tutorial on spectral clustering", section 8.3). Without structure the largest
    rise comes after the first eigenvalue, which is 0: one cluster. Fewer than 10 maps
    are one cluster. A gradual change may be cut into several, with low silhouettes.

    `groups` (N,) says which maps are of one kind of origin, such as a video or a
    target. Its maps look for neighbours among the others: frames of a video are alike,
    and would else make a cluster of each video.

    Neither order nor positive factors change the partition. Memory is that of some
    N x N float64. ValueError if a map has a value that is not finite.
    """
    count = len(maps)
    if not np.isfinite(maps).all():
        raise ValueError("cluster_maps: a map has values that are not finite")
    if count < FEWEST:
        return Clusters(
            np.zeros(count, np.int64),
            np.zeros((count, 2)),
            np.full(count, np.nan),
            1,
        )
    shape = shapes(maps)
    # An order that hangs on the maps alone, so that theirs does not matter.
    order = np.argsort((shape * np.sqrt(np.arange(shape.shape[1]))).sum(1))
    shape = shape[order]
    distances = np.clip(1 - shape @ shape.T, 0, 2)
    np.fill_diagonal(distances, 0)
    graph = neighbour_graph(distances, None if groups is None else groups[order])
    eigenvalues, vectors = _spectrum(graph, most_clusters)
    found = int(np.argmax(np.diff(eigenvalues))) + 1
    labels = np.zeros(count, np.int64)
    silhouettes = np.full(count, np.nan)
    if found > 1:
        means = KMeans(found, n_init=STARTS, random_state=seed)
        labels = _by_size(means.fit_predict(vectors[:, 1:found]))
        silhouettes = silhouette_samples(distances, labels, metric="precomputed")
    back = np.argsort(order)
    embedding = vectors[:, 1:3]
    return Clusters(labels[back], embedding[back], silhouettes[back], found)


def neighbour_graph(
    distances: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """Whose nearest neighbours (columns) are whose (rows): (N, N) float64, 0 or 1.

    Of `distances` (N, N) in 0..2; those of another group come before all of its own.
    """
    near = distances
    if groups is not None:
        near = distances + 4 * (groups[:, None] == groups)
        np.fill_diagonal(near, 0)  # scikit-learn leaves the first out: each map itself
    neighbours = min(NEIGHBOURS, len(distances) // 3)
    return kneighbors_graph(near, neighbours, metric="precomputed").toarray()


def _spectrum(graph: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest eigenvalues (K,) of the neighbours' graph and its eigenvectors (N, K).

    Those of the random walk's Laplacian, of which the first is 0 and constant.
    """
    count = len(graph)
    graph = (graph + graph.T) / 2 + TIES_TO_ALL * graph[0].sum() / count
    matrix, root_degree = laplacian(graph, normed=True, return_diag=True)
    last = min(max(most, 2), count - 1)
    eigenvalues, vectors = eigh(matrix, subset_by_index=[0, last])
    vectors = vectors / root_degree[:, None]
    largest = np.abs(vectors).argmax(0)
    signs = np.sign(vectors[largest, np.arange(last + 1)])
    return eigenvalues[: most + 1], vectors * signs


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels (N,) renumbered from the largest cluster; of equals, the first met."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.argsort(np.lexsort((first, -sizes)))
    return rank[inverse].astype(np.int64)


def cluster_table(
    clusters: Clusters, rows: pd.DataFrame, resamples: int, seed: int
) -> pd.DataFrame:
    """One row a cluster and cell (CELLS): how many frames, and is that many.

    `rows` are the maps' own, with these columns, target and video. Columns:
    frames, videos, targets; `share_of_cluster`, the part of the cluster's frames that
    are of this cell; `share_of_cell`, the part of the cell's frames that are in the
    cluster; `lift`, by how much either departs from
    what independence gives (1), with its 95 % interval `low` to `high` over `resamples`
    draws of whole targets.
    """
    table = rows.assign(cluster=clusters.labels, person=persons(rows))
    cells = sorted(set(rows[CELLS].itertuples(index=False, name=None)))
    keys = [(c, *cell) for c, cell in product(range(clusters.count), cells)]
    columns = ["cluster", *CELLS]
    index = pd.MultiIndex.from_tuples(keys, names=columns)
    by_cell = table.groupby(columns)
    counts = pd.DataFrame(
        {
            "frames": by_cell.size(),
            "videos": by_cell["video"].nunique(),
            "targets": by_cell["person"].nunique(),
        }
    ).reindex(index, fill_value=0)
    by_target = table.groupby([*columns, "person"]).size().unstack("person")
    by_target = by_target.reindex(index).fillna(0).to_numpy()  # (clusters x cells, T)
    shape = (-1, clusters.count, len(cells))
    targets = by_target.shape[1]
    draws = np.random.default_rng(seed).multinomial(
        targets, np.full(targets, 1 / targets), resamples
    )
    lifts = _lift((draws @ by_target.T).reshape(shape)).reshape(resamples, -1)
    frames = counts["frames"].to_numpy(np.float64).reshape(shape)
    between = np.array([interval(values) for values in lifts.T])
    return counts.assign(
        share_of_cluster=(frames / frames.sum(2, keepdims=True)).ravel(),
        share_of_cell=(frames / frames.sum(1, keepdims=True)).ravel(),
        lift=_lift(frames).ravel(),
        low=between[:, 0],
        high=between[:, 1],
    ).reset_index()


def _lift(frames: np.ndarray) -> np.ndarray:
    """Frames (R, clusters, cells) over those expected of the margins; NaN without."""
    expected = frames.sum(1, keepdims=True) * frames.sum(2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return frames * frames.sum((1, 2), keepdims=True) / expected


def cluster_summary(
    clusters: Clusters,
    rows: pd.DataFrame,
    maps: np.ndarray,
    regions: np.ndarray,
    names: Sequence[str],
) -> pd.DataFrame:
    """One row a cluster: its size, its logits, and where its attribution lies.

    `regions` (side, side) int numbers each square's region: 0 lies outside the face,
    and `names[n]` is region n. Columns beside counts and means: `share_<name>`, the
    region's mean share of a map's absolute attribution (of pooled maps, in which what
    cancels inside a square is gone); `face_share`, that of all but region 0;
    `top_region` with `top_share` and `top_area`, its share of the area, which is what
    a map that prefers no place would have; `one_video`, if all frames are of one.
    Maps of zeros have no shares. ValueError for a region without a name.
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
        person=persons(rows).to_numpy(),
        logit=rows["logit"].to_numpy(),
        sum=maps.sum((1, 2), dtype=np.float64),
        silhouette=clusters.silhouettes,
    )
    by_cluster = table.groupby("cluster")
    summary = by_cluster.agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        targets=("person", "nunique"),
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
    clusters: Clusters, maps: np.ndarray, rows: pd.DataFrame, count: int
) -> dict[int, np.ndarray]:
    """Of each cluster, at most `count` maps nearest its mean shape (cosine).

    Positions in `maps`, the nearest first, at most one a video.
    """
    shape = shapes(maps)
    videos = rows["video"].reset_index(drop=True)
    typical = {}
    for cluster in range(clusters.count):
        members = np.flatnonzero(clusters.labels == cluster)
        likeness = shape[members] @ shape[members].mean(0)
        nearest = members[np.argsort(-likeness, kind="stable")]
        typical[cluster] = videos[nearest].drop_duplicates().index[:count].to_numpy()
    return typical
