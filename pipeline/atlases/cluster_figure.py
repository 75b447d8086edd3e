"""Draw clusters of maps: their mean maps, and their typical members."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from pipeline.atlases.clusters import CELL_COLUMNS, Clusters
from pipeline.atlases.overlays import Look, frame_name, overlay, shared_limit
from pipeline.files.figures import COLOURS, counted, save

MIN_CELL_UNITS = 3  # a cell with fewer units is not named as over-represented


def plot_clusters(
    clusters: Clusters,
    maps: np.ndarray,
    rows: pd.DataFrame,
    *,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    crops: Mapping[int, np.ndarray],
    typical: Mapping[int, np.ndarray],
    title: str,
    look: Look,
    path: Path,
) -> None:
    """Draw a row for each cluster: its mean map and typical members; left, a scatter.

    `maps` (N, P, P) and `rows` are the sample. `table`, `summary` and `typical` are the
    results of cluster_table, cluster_summary and typical_members. `crops[n]` is the
    face of map n on the maps' grid, (G, G, 3) uint8. A mean map lies on the mean of the
    faces of its cluster's typical members. Each picture has its own colour scale,
    because clusters are about shapes.
    """
    columns = 1 + max(len(members) for members in typical.values())
    height = 2.0 * clusters.count
    figure = plt.figure(
        figsize=(3.4 + 1.62 * columns, max(height, 3.4) + 0.7), layout="constrained"
    )
    widths = (3.4, 1.62 * columns)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=widths)[0]
    _scatter(left, clusters, look.colormap, max(height, 3.4))
    parts = right.subfigures(clusters.count, 1, squeeze=False)[:, 0]
    for part, (_, row) in zip(parts, summary.iterrows(), strict=True):
        cluster = int(row["cluster"])
        members = typical[cluster]
        lifts = table[table["cluster"] == cluster]
        part.suptitle(
            f"{_describe_cluster(row)}\n{_describe_lifts(lifts)}",
            fontsize=9,
            x=0.01,
            ha="left",
            color="black",
        )
        panels = part.subplots(1, columns, squeeze=False)[0]
        for axes in panels:
            axes.set(xticks=[], yticks=[], anchor="N")  # directly below the text
            axes.spines[:].set_visible(False)
        mean = maps[clusters.labels == cluster].mean(0)
        face = np.mean([crops[index] for index in members], axis=0)
        _picture(panels[0], mean, np.rint(face).astype(np.uint8), look)
        panels[0].set_title(f"mean map\nsum {mean.sum():+.2f}", fontsize=7.5)
        panels[0].spines[:].set(visible=True, lw=2.5, color=_colour(cluster))
        for axes, index in zip(panels[1:], members, strict=False):
            _picture(axes, maps[index], crops[index], look)
            frame = rows.iloc[index]
            result = f"{frame['outcome']}, {frame['logit']:+.1f}"
            axes.set_title(f"{frame_name(frame)}\n{result}", fontsize=7.5)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _colour(cluster: int) -> str:
    """A cluster's colour. Black, which has no hue, comes last."""
    return (*COLOURS[1:], COLOURS[0], "#999999")[cluster % (len(COLOURS) + 1)]


def _describe_cluster(row: pd.Series) -> str:
    """Size, logit and place of a cluster, from its row of the summary."""
    videos = "one video" if row["one_video"] else f"{row['videos']} videos"
    silhouette = row["mean_silhouette"]
    apart = f", silhouette {silhouette:.2f}" if np.isfinite(silhouette) else ""
    return (
        f"cluster {row['cluster']}: {counted(row['frames'], 'frame')} of {videos}"
        f"{apart}\n"
        f"mean logit {row['mean_logit']:+.1f}; {row['top_share']:.0%} in "
        f"{row['top_region']} ({row['top_area']:.0%} of the area)"
    )


def _describe_lifts(lifts: pd.DataFrame) -> str:
    """The three largest lifts whose interval lies above 1."""
    sure = lifts[(lifts["low"] > 1) & (lifts["units"] >= MIN_CELL_UNITS)]
    several = [name for name in CELL_COLUMNS[:2] if lifts[name].nunique() > 1]
    shown = ["method", "outcome", *several]
    named = [
        f"{' '.join(row[name] for name in shown)} x {row['lift']:.1f} "
        f"({row['low']:.1f} to {row['high']:.1f})"
        for _, row in sure.nlargest(3, "lift").iterrows()
    ]
    if not named:
        return "no method or outcome is over-represented"
    return "over-represented: " + ", ".join(named)


def _picture(axes: Axes, heatmap: np.ndarray, face: np.ndarray, look: Look) -> None:
    """Draw a pooled map, enlarged over its face, with its own colour scale."""
    enlarged = cv2.resize(heatmap.astype(np.float32), face.shape[1::-1])
    axes.imshow(overlay(enlarged, face, limit=shared_limit([enlarged]), look=look))


def _scatter(
    part: SubFigure | Figure, clusters: Clusters, colormap: str, height: float
) -> None:
    """Draw all maps as points of the embedding, above the key to the colours."""
    square = min(2.9 / height, 0.85)
    axes = part.add_axes((0.08, 0.9 - square, 0.84, square))
    for cluster in range(clusters.count):
        x, y = clusters.embedding[clusters.labels == cluster].T
        axes.scatter(
            x, y, s=9, lw=0, alpha=0.7, color=_colour(cluster),
            label=f"cluster {cluster}",
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="2nd eigenvector", ylabel="3rd eigenvector")
    axes.set_title("each point is a map; similar maps are close", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    scale = ScalarMappable(Normalize(-1, 1), cm.cmaps[colormap])
    bar = part.colorbar(scale, ax=axes, location="bottom", aspect=30, pad=0.12)
    bar.set_ticks([-1, 0, 1], labels=["← real", "0", "fake →"], fontsize=8)
    bar.set_label("each picture has its own scale", fontsize=8)
