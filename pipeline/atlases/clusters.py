"""Clusters of attribution maps: the few ways in which a model looks at faces.

Spectral relevance analysis (SpRAy; Lapuschkin et al. 2019, "Unmasking Clever Hans
predictors and assessing what machines really learn", Methods). Maps are pooled and
scaled to the same strength. Each is connected to the maps that deviate from the mean
map in the most similar way. The graph is divided at an eigengap of its Laplacian, if
the gap is larger than those of surrogates: maps without clusters that have the same
mean and the same covariance. A cluster that looks at the background, and holds more
than its share of a method, shows a model that is right for the wrong reason.

benchmarks/cluster_count.py simulates how often the number of clusters is right.
"""

from collections.abc import Iterator, Sequence
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
NO_LENGTH = 1e-6  # deviations of maps of length 1 that are smaller are rounding errors
SURROGATES = 59  # of either kind
LEVEL = 0.05  # the probability of more than one cluster if there are none
# The number of clusters is chosen from a random subset of this size: the time for all
# surrogates grows with its third power.
MAX_CHOOSING_MAPS = 500
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
        silhouettes: (N,) float64 in -1..1: how much closer a map is to its own cluster
            than to the next one, by the cosine of deviations (Rousseeuw 1987). NaN if
            there is one cluster.
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
    return _of_length_1(smooth.reshape(len(maps), -1), 0)


def deviations(shape: np.ndarray) -> np.ndarray:
    """The directions in which shapes deviate from their mean: (N, P) float64.

    They have length 1. They are zero for a shape that equals the mean. Without the
    mean, what all maps have in common does not make maps alike. The length 1 makes
    noisy and clear maps comparable (spatial signs; Locantore et al. 1999, "Robust
    principal component analysis for functional data", section 3).
    """
    return _of_length_1(shape - shape.mean(0), NO_LENGTH)


def _of_length_1(rows: np.ndarray, smallest: float) -> np.ndarray:
    """Rows (N, P) divided by their length; zeros if it is at most `smallest`."""
    length = np.sqrt((rows**2).sum(1, keepdims=True))
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > smallest)


def cluster_maps(
    maps: np.ndarray,
    seed: int,
    *,
    max_clusters: int = 8,
    groups: np.ndarray | None = None,
) -> Clusters:
    """Divide signed maps (N, side, side) by their shape, whatever their strength.

    Each map is connected to its 10 nearest neighbours by the cosine of `deviations`
    from the mean map (to a third of the maps if there are fewer than 30). The number of
    clusters in 1..`max_clusters` is that of `number_of_clusters`. K-means divides the
    first eigenvectors of the graph's Laplacian into that many (von Luxburg 2007, "A
    tutorial on spectral clustering", section 4). Fewer than 10 maps are one cluster.

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
    origins = np.arange(count) if groups is None else groups[order]
    found = number_of_clusters(shape, origins, seed, max_clusters=max_clusters)
    distances = _distances(deviations(shape))
    _, vectors = _spectrum(neighbour_graph(distances, origins), max_clusters)
    labels = np.zeros(count, np.int64)
    silhouettes = np.full(count, np.nan)
    if found > 1:
        means = KMeans(found, n_init=KMEANS_STARTS, random_state=seed)
        labels = _by_size(means.fit_predict(vectors[:, 1:found]))
        silhouettes = silhouette_samples(distances, labels, metric="precomputed")
    back = np.argsort(order)
    embedding = vectors[:, 1:3]
    return Clusters(labels[back], embedding[back], silhouettes[back], found)


def number_of_clusters(
    shape: np.ndarray, groups: np.ndarray, seed: int, *, max_clusters: int
) -> int:
    """The number of clusters, 1..`max_clusters`, of shapes (N, P) of length 1.

    The gap of k clusters is the logarithm of the ratio of eigenvalue k + 1 to
    eigenvalue k of the normalised Laplacian. It is large if there are k clusters (von
    Luxburg 2007, section 8.3). The excess of a gap is its difference from the mean gap
    of k over the data and 59 `surrogates`, which have no clusters. The k >= 2 with the
    largest excess counts if this excess is among the largest 5 % of the largest
    excesses of the data and the surrogates. Otherwise there is one cluster. So the
    probability of finding more than one is about 5 %, over all k together, if maps are
    normally distributed before they are scaled to one length. In simulations it was up
    to 6 %, but 24 % for a strong gradual change, and 9 % for very different noise.

    This is done for surrogates of the shapes and for surrogates of their deviations,
    and the smaller number counts. If maps change gradually along one direction, the
    deviations have two directions, but so have the deviations of the first surrogates.
    If noise differs much between maps, shapes are far from normally distributed, but
    their deviations are less so.

    `groups` (N,) are the origins of the maps. Of more than 500 maps, a random subset of
    500 is used.
    """
    rng = np.random.default_rng(seed)
    if len(shape) > MAX_CHOOSING_MAPS:
        chosen = np.sort(rng.permutation(len(shape))[:MAX_CHOOSING_MAPS])
        shape, groups = shape[chosen], groups[chosen]
    last = min(max_clusters, len(shape) - 2)
    if last < 2:
        return 1
    # As many coordinates as maps describe all distances.
    shape = np.asarray(np.linalg.qr(shape.T, mode="r")).T
    deviation = deviations(shape)
    found = _gaps(deviation, groups, last)
    drawn = surrogates(shape, groups, SURROGATES, rng)
    of_shapes = [
        _gaps(deviations(_of_length_1(rows, NO_LENGTH)), groups, last) for rows in drawn
    ]
    drawn = surrogates(deviation, groups, SURROGATES, rng)
    of_deviations = [
        _gaps(_of_length_1(rows, NO_LENGTH), groups, last) for rows in drawn
    ]
    return min(_exceeding(found, of_shapes), _exceeding(found, of_deviations))


def _exceeding(found: np.ndarray, drawn: list[np.ndarray]) -> int:
    """The number of clusters whose gap exceeds that of surrogates, or 1.

    `found` and each of `drawn` are gaps (K,) of 2, 3, ... clusters.
    """
    gaps = np.array([found, *drawn])
    excess = gaps - gaps.mean(0)
    largest = excess.max(1)
    if (largest >= largest[0]).mean() > LEVEL:
        return 1
    return int(excess[0].argmax()) + 2


def surrogates(
    rows: np.ndarray, groups: np.ndarray, count: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Arrays like `rows` (N, P), but normally distributed; `count` of them.

    The rows are mixed by random rotations of N dimensions, as in a rotation test
    (Langsrud 2005, "Rotation tests"). This draws from a normal distribution, given that
    mean and covariance are those of `rows`. The means of groups and the deviations from
    them are rotated separately, so that members of a group stay as alike as they are.
    """
    mean = rows.mean(0)
    member = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(member)

    def of_groups(values: np.ndarray) -> np.ndarray:
        totals = np.zeros((len(sizes), values.shape[1]))
        np.add.at(totals, member, values)
        return (totals / sizes[:, None])[member]

    def between() -> np.ndarray:
        """An orthonormal basis of all that is constant within groups, without means."""
        drawn = rng.normal(size=(len(sizes), len(sizes) - 1)) / np.sqrt(sizes)[:, None]
        return np.linalg.qr(drawn[member] - drawn[member].mean(0))[0]

    def within() -> np.ndarray:
        """An orthonormal basis of all that has the mean 0 in each group."""
        drawn = rng.normal(size=(len(rows), len(rows) - len(sizes)))
        return np.linalg.qr(drawn - of_groups(drawn))[0]

    parts = between().T @ rows, within().T @ rows
    for _ in range(count):
        yield mean + between() @ parts[0] + within() @ parts[1]


def _gaps(deviation: np.ndarray, groups: np.ndarray, last: int) -> np.ndarray:
    """The relative eigengaps (last - 1,) of 2..`last` clusters."""
    graph = neighbour_graph(_distances(deviation), groups)
    return np.diff(np.log(_spectrum(graph, last)[0][1:]))


def _distances(deviation: np.ndarray) -> np.ndarray:
    """Cosine distances (N, N) in 0..2 of rows of length 1."""
    distances = np.clip(1 - deviation @ deviation.T, 0, 2)
    np.fill_diagonal(distances, 0)
    return distances


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
