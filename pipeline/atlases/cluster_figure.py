"""A picture of clusters of maps: their mean maps, and their typical members."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from pipeline.atlases.clusters import CELLS, Clusters
from pipeline.atlases.overlays import Look, frame_name, overlay, shared_limit
from pipeline.files.figures import COLOURS, counted, save

FEWEST_TARGETS = 3  # behind a departure from chance that is named


def plot_clusters(
    clusters: Clusters,
    maps: np.ndarray,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    crops: Mapping[int, np.ndarray],
    typical: Mapping[int, np.ndarray],
    title: str,
    look: Look,
    path: Path,
) -> None:
    """A row a cluster: its mean map and its typical members; left, all maps as points.

    `table` and `summary` are of cluster_table and cluster_summary, `typical` is of
    typical_members. `crops[n]` is the face of map n on the maps' grid, (G, G, 3) uint8,
    and a mean map lies on the mean of those faces of its cluster. Each picture has its
    own colour scale, since clusters are of shapes.
    """
    columns = 1 + max(len(members) for members in typical.values())
    height = 2.0 * clusters.count
    figure = plt.figure(
        figsize=(3.4 + 1.62 * columns, max(height, 3.4) + 0.7), layout="constrained"
    )
    left, right = figure.subfigures(1, 2, width_ratios=(3.4, 1.62 * columns))
    _scatter(left, clusters, look.colormap, max(height, 3.4))
    parts = right.subfigures(clusters.count, 1, squeeze=False)[:, 0]
    for part, row in zip(parts, summary.itertuples(), strict=True):
        cluster = row.cluster
        lifts = table[table["cluster"] == cluster]
        part.suptitle(
            f"{_cluster_words(row)}\n{_lift_words(lifts)}",
            fontsize=9,
            x=0.01,
            ha="left",
            color="black",
        )
        panels = part.subplots(1, columns, squeeze=False)[0]
        for axes in panels:
            axes.set(xticks=[], yticks=[], anchor="N")  # under the words
            axes.spines[:].set_visible(False)
        mean = maps[clusters.labels == cluster].mean(0)
        face = np.mean([crops[index] for index in typical[cluster]], axis=0)
        _picture(panels[0], mean, np.rint(face).astype(np.uint8), look)
        panels[0].set_title(f"mean map\nsum {mean.sum():+.2f}", fontsize=7.5)
        panels[0].spines[:].set(visible=True, lw=2.5, color=_colour(cluster))
        for axes, index in zip(panels[1:], typical[cluster], strict=False):
            _picture(axes, maps[index], crops[index], look)
            frame = rows.iloc[index]
            told = f"{frame['outcome']}, {frame['logit']:+.1f}"
            axes.set_title(f"{frame_name(frame)}\n{told}", fontsize=7.5)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _colour(cluster: int) -> str:
    """A cluster's colour: black, which has no hue, comes last."""
    return (*COLOURS[1:], COLOURS[0], "#999999")[cluster % (len(COLOURS) + 1)]


def _cluster_words(row: tuple) -> str:
    """Size, logit and place of a cluster, from its row of the summary."""
    videos = "one video" if row.one_video else f"{row.videos} videos"
    place = f"{row.top_share:.0%} in {row.top_region} ({row.top_area:.0%} of the area)"
    near = row.mean_silhouette
    apart = f", silhouette {near:.2f}" if np.isfinite(near) else ""
    return (
        f"cluster {row.cluster}: {counted(row.frames, 'frame')} of {videos}{apart}\n"
        f"mean logit {row.mean_logit:+.1f}; {place}"
    )


def _lift_words(lifts: pd.DataFrame) -> str:
    """The three largest departures upwards whose interval leaves out 1."""
    sure = lifts[(lifts["low"] > 1) & (lifts["targets"] >= FEWEST_TARGETS)]
    several = [name for name in CELLS[:2] if lifts[name].nunique() > 1]
    told = ["method", "outcome", *several]
    named = [
        f"{' '.join(getattr(row, n) for n in told)} x {row.lift:.1f} "
        f"({row.low:.1f} to {row.high:.1f})"
        for row in sure.nlargest(3, "lift").itertuples()
    ]
    return "over-represented: " + ", ".join(named) if named else "no cell stands out"


def _picture(
    axes: plt.Axes,
    map: np.ndarray,
    face: np.ndarray,
    look: Look,
) -> None:
    """A pooled map, spread over its face, on its own colour scale."""
    spread = cv2.resize(map.astype(np.float32), face.shape[1::-1])
    limit = shared_limit([spread])
    axes.imshow(overlay(spread, face, limit, look.colormap, look.opacity))


def _scatter(
    part: SubFigure | Figure, clusters: Clusters, colormap: str, height: float
) -> None:
    """All maps as points of the embedding, and below what colours mean."""
    square = min(2.9 / height, 0.85)
    axes = part.add_axes((0.08, 0.9 - square, 0.84, square))
    for cluster in range(clusters.count):
        mine = clusters.labels == cluster
        label = f"cluster {cluster}"
        axes.scatter(
            *clusters.embedding[mine].T, s=9, lw=0, alpha=0.7, color=_colour(cluster),
            label=label,
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="2nd eigenvector", ylabel="3rd eigenvector")
    axes.set_title("every map a point; alike maps are near", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    scale = ScalarMappable(Normalize(-1, 1), cm.cmaps[colormap])
    bar = part.colorbar(scale, ax=axes, location="bottom", aspect=30, pad=0.12)
    bar.set_ticks([-1, 0, 1], labels=["← real", "0", "fake →"], fontsize=8)
    bar.set_label("each picture on its own scale", fontsize=8)
