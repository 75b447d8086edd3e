"""Draw the AUC of all detectors as a table of colours."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from pipeline.files.figures import save

AUC_COLOURS = ScalarMappable(Normalize(0.5, 1.0), "cividis")
CELL = (0.98, 0.5)  # inches, width and height of a cell of a heat table


def plot_heat_table(table: pd.DataFrame, path: Path) -> None:
    """Video AUC of every model x protocol (rows) by method, a panel a test set.

    `table` holds tidy metrics of videos: model, protocol, dataset, compression, method,
    metric, value, low, high. A test set is a data set x compression.
    """
    auc = table[table["metric"] == "auc"]
    methods = sorted(auc["method"].unique(), key=lambda m: (m != "all", m))
    rows = list(auc[["model", "protocol"]].drop_duplicates().itertuples(index=False))
    sets = auc[["dataset", "compression"]].drop_duplicates()
    size = (CELL[0] * len(methods) + 3, len(sets) * (CELL[1] * len(rows) + 0.5) + 0.9)
    figure, panels = plt.subplots(
        len(sets), 1, figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    places = zip(panels[:, 0], sets.itertuples(index=False), strict=True)
    for axes, (dataset, compression) in places:
        here = (auc["dataset"] == dataset) & (auc["compression"] == compression)
        part = auc[here].set_index(["model", "protocol", "method"])
        axes.set_title(f"{dataset}, {compression}", fontsize=10, loc="left")
        for y, (model, protocol) in enumerate(rows):
            for x, method in enumerate(methods):
                key = (model, protocol, method)
                _heat_cell(axes, x, y, part.loc[key] if key in part.index else None)
        labels = [f"{model}, trained on {protocol}" for model, protocol in rows]
        axes.set(xlim=(-0.5, len(methods) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xticks(range(len(methods)), methods, fontsize=8)
        axes.set_yticks(range(len(rows)), labels, fontsize=8)
        axes.tick_params(length=0, labelbottom=True)
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(
        AUC_COLOURS, ax=panels[-1, 0], location="bottom", extend="min", aspect=40
    )
    bar.set_label("AUC over videos, and its 95 % interval", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    save(figure, path)


def _heat_cell(axes: Axes, x: int, y: int, row: pd.Series | None) -> None:
    """A cell at column x and row y with its value and interval; grey without a row."""
    known = row is not None and np.isfinite(row["value"])
    colour = AUC_COLOURS.to_rgba(row["value"]) if known else (0.9, 0.9, 0.9, 1.0)
    axes.add_patch(plt.Rectangle((x - 0.49, y - 0.48), 0.98, 0.96, color=colour, lw=0))
    # Relative luminance (WCAG 2): the ink is what contrasts more.
    linear = np.power(colour[:3], 2.2)
    ink = "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.18 else "white"
    words = {"ha": "center", "va": "center", "color": ink}
    if not known:
        return
    axes.text(x, y - 0.14, f"{row['value']:.3f}", fontsize=9, **words)
    low, high = row["low"], row["high"]
    between = f"{low:.3f} to {high:.3f}" if np.isfinite(low + high) else "no interval"
    axes.text(x, y + 0.23, between, fontsize=6, **words)
