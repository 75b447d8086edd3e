"""Draw the audit of baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline.atlases.arrays import CellArrays
from pipeline.atlases.differences import normalised, survivors
from pipeline.atlases.overlays import (
    Look,
    colour_bar,
    figure_rows,
    hatch_others,
    hide_axes,
    outline_mask,
    overlay,
    row_label,
    shared_limit,
)
from pipeline.files.figures import COLOURS, save


def plot_baselines(
    cells: Mapping[str, Sequence[CellArrays]],
    frames: Mapping[str, pd.DataFrame],
    agreement: pd.DataFrame,
    *,
    threshold: float,
    joint_threshold: float,
    title: str,
    look: Look,
    path: Path,
) -> None:
    """Draw the audit above the mean maps: a row for each method, a column per baseline.

    The last column is the mean of the maps of all baselines, each divided by its norm.
    It is hatched where the map of some baseline is not significant with the same sign.

    `cells` and `frames` are the cells and the table of frames of each baseline, and
    `agreement` is the table of `baseline_audit.agreement`. From the logit `threshold`
    on, an image counts as fake. `joint_threshold` is that of `read_threshold`.
    """
    names = list(cells)
    shown_cells = {
        name: {c.slice: c for c in cells[name] if c.outcome == "all"} for name in names
    }
    slices = figure_rows(key for found in shown_cells.values() for key in found)
    figure = plt.figure(
        figsize=(max(2.9 * len(names) + 2.9, 8), 2.3 * len(slices) + 3.4),
        layout="constrained",
    )
    heights = (2.6, 2.3 * len(slices))
    top, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    left, right = top.subplots(1, 2, width_ratios=(3, 2))
    _plot_logits(left, frames, threshold)
    _plot_agreement(right, agreement, names)
    has_consensus = len(names) > 1
    columns = len(names) + has_consensus
    panels = below.subplots(len(slices), columns, squeeze=False)
    consensus = survivors(cells, joint_threshold)
    for row, shown in zip(panels, slices, strict=True):
        own = [shown_cells[name].get(shown) for name in names]
        known = [cell for cell in own if cell is not None]
        if has_consensus:
            _plot_consensus(row[-1], known, consensus.get(shown), look)
        if has_consensus and shown == slices[0]:
            row[-1].set_title("from every baseline", fontsize=10)
        for axes, name in zip(row, names, strict=False):
            cell = shown_cells[name].get(shown)
            hide_axes(axes)
            if shown == slices[0]:
                axes.set_title(name, fontsize=10)
            if name == names[0]:
                axes.set_ylabel(row_label(shown, slices))
            if cell is None:
                axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
                continue
            # Each map has its own scale, because baselines differ in strength.
            limit = shared_limit([cell.mean])
            axes.imshow(overlay(cell.mean, cell.face, limit=limit, look=look))
            outline_mask(axes, cell.mask)
            colour_bar(below, axes, limit=limit, look=look)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _plot_consensus(
    axes: Axes,
    cells: Sequence[CellArrays],
    squares: np.ndarray | None,
    look: Look,
) -> None:
    """Draw the mean of maps on one scale, hatched outside of `squares` (P, P).

    `squares` is None for a slice that is not tested from every baseline.
    """
    hide_axes(axes)
    if squares is None:
        axes.text(0.5, 0.5, "not tested", ha="center", transform=axes.transAxes)
        return
    heatmap = np.mean([normalised(cell) for cell in cells], axis=0)
    limit = shared_limit([heatmap])
    face = cells[0].face
    axes.imshow(overlay(heatmap, face, limit=limit, look=look))
    outline_mask(axes, cells[0].mask)
    hatch_others(axes, squares, len(face))


def _plot_logits(
    axes: Axes, frames: Mapping[str, pd.DataFrame], threshold: float
) -> None:
    """Draw the logits of baselines, next to those of the frames themselves."""
    first = max(frames.values(), key=len)  # `original` has no real frames
    groups = {name: table["baseline_logit"] for name, table in frames.items()}
    groups |= {
        f"{kind} frames": first.loc[first["label"] == label, "logit"]
        for label, kind in ((0, "real"), (1, "fake"))
    }
    rng = np.random.default_rng(0)
    for height, values in enumerate(groups.values()):
        spread = height + rng.uniform(-0.25, 0.25, len(values))
        axes.scatter(values, spread, s=4, color=COLOURS[1], alpha=0.4, lw=0)
        axes.scatter(values.median(), height, marker="|", s=180, color="black")
    axes.axvline(threshold, color=COLOURS[2], lw=1)
    axes.set_yticks(range(len(groups)), list(groups), fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("logit: ← real   fake →; the line is the threshold", fontsize=9)
    axes.set_title("the detector's logits of baselines", fontsize=10, loc="left")


def _plot_agreement(axes: Axes, agreement: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the rank correlations between baselines, over all frames."""
    values = np.full((len(names), len(names)), np.nan)  # NaN: no frame in common
    np.fill_diagonal(values, 1)
    for pair, part in agreement.groupby(["baseline", "other"]):
        one, other = (names.index(name) for name in pair)
        mean = np.average(part["rank_correlation"], weights=part["frames"])
        values[one, other] = values[other, one] = mean
    axes.imshow(values, "cividis", vmin=0, vmax=1)
    for (y, x), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        words = f"{value:.2f}" if np.isfinite(value) else "none"
        axes.text(x, y, words, ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title("rank correlation of maps", fontsize=10, loc="left")
