"""Draw the audit of baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays
from pipeline.atlases.overlays import (
    Look,
    bare,
    colour_bar,
    outline,
    overlay,
    row_name,
    rows_of,
    shared_limit,
)
from pipeline.files.figures import COLOURS, save


def plot_baselines(
    cells: Mapping[str, Sequence[CellArrays]],
    frames: Mapping[str, pd.DataFrame],
    agreement: pd.DataFrame,
    threshold: float,
    title: str,
    look: Look,
    path: Path,
) -> None:
    """The audit above the mean maps of each baseline side by side, a row a method."""
    names = list(cells)
    shown = {
        name: {c.place: c for c in cells[name] if c.outcome == "all"} for name in names
    }
    places = rows_of(shown[names[0]])
    figure = plt.figure(
        figsize=(max(2.9 * len(names) + 0.6, 8), 2.3 * len(places) + 3.4),
        layout="constrained",
    )
    top, below = figure.subfigures(2, 1, height_ratios=(2.6, 2.3 * len(places)))
    left, right = top.subplots(1, 2, width_ratios=(3, 2))
    _plot_audit(left, frames, threshold)
    _plot_agreement(right, agreement, names)
    panels = below.subplots(len(places), len(names), squeeze=False)
    for row, place in zip(panels, places, strict=True):
        for axes, name in zip(row, names, strict=True):
            cell = shown[name].get(place)
            bare(axes)
            if place == places[0]:
                axes.set_title(name, fontsize=10)
            if cell is None:
                continue
            # Baselines differ in strength: each map on a scale of its own.
            limit = shared_limit([cell.mean])
            axes.imshow(
                overlay(cell.mean, cell.face, limit, look.colormap, look.opacity)
            )
            outline(axes, cell.mask)
            colour_bar(below, axes, limit, look.colormap)
            if name == names[0]:
                axes.set_ylabel(row_name(place, places))
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _plot_audit(
    axes: plt.Axes, frames: Mapping[str, pd.DataFrame], threshold: float
) -> None:
    """Where the logits of baselines lie, beside those of the frames themselves."""
    first = next(iter(frames.values()))
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
    axes.set_yticks(range(len(groups)), groups, fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("logit: ← real   fake →; the line is the threshold", fontsize=9)
    axes.set_title("what the detector says of baselines", fontsize=10, loc="left")


def _plot_agreement(axes: plt.Axes, alike: pd.DataFrame, names: Sequence[str]) -> None:
    """Rank correlations between baselines, over all frames."""
    values = np.eye(len(names))
    for row in alike.itertuples():
        one, other = names.index(row.baseline), names.index(row.other)
        part = alike[
            (alike["baseline"] == row.baseline) & (alike["other"] == row.other)
        ]
        mean = np.average(part["rank_correlation"], weights=part["frames"])
        values[one, other] = values[other, one] = mean
    axes.imshow(values, "cividis", vmin=0, vmax=1)
    for (y, x), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title("rank correlation of maps", fontsize=10, loc="left")
