"""Draw the AUC of all detectors as a table of coloured cells."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from pipeline.config.protocols import detector_title
from pipeline.files.figures import save
from pipeline.metrics.slices import ALL

AUC_COLOURS = ScalarMappable(Normalize(0.5, 1.0), "cividis")
UNKNOWN_COLOUR = (0.9, 0.9, 0.9, 1.0)  # RGBA of a cell without a value
CELL_INCHES = (0.98, 0.5)  # width and height
# On a background of this relative luminance L, black and white text have the same
# contrast (WCAG 2): (1 + 0.05) / (L + 0.05) = (L + 0.05) / 0.05.
EQUAL_CONTRAST_LUMINANCE = 0.18


def plot_heat_table(table: pd.DataFrame, path: Path) -> None:
    """Draw the video AUC of each detector (rows) for each method (columns).

    There is one panel per test set, which is a data set at one compression. `table` has
    tidy metrics of videos, with the columns model, protocol, dataset, compression,
    method, metric, value, low and high.
    """
    auc = table[table["metric"] == "auc"]
    methods = sorted(auc["method"].unique(), key=lambda name: (name != ALL, name))
    detectors = auc[["model", "protocol"]].drop_duplicates()
    rows = list(detectors.itertuples(index=False))
    sets = auc[["dataset", "compression"]].drop_duplicates()
    width, height = CELL_INCHES
    size = (width * len(methods) + 3, len(sets) * (height * len(rows) + 0.5) + 0.9)
    figure, panels = plt.subplots(
        len(sets), 1, figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    pairs = zip(panels[:, 0], sets.itertuples(index=False), strict=True)
    for axes, (dataset, compression) in pairs:
        here = (auc["dataset"] == dataset) & (auc["compression"] == compression)
        part = auc[here].set_index(["model", "protocol", "method"])
        axes.set_title(f"{dataset}, {compression}", fontsize=10, loc="left")
        for y, (model, protocol) in enumerate(rows):
            for x, method in enumerate(methods):
                key = (model, protocol, method)
                _draw_cell(axes, x, y, part.loc[key] if key in part.index else None)
        labels = [detector_title(model, protocol) for model, protocol in rows]
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


def _draw_cell(axes: Axes, x: int, y: int, row: pd.Series | None) -> None:
    """Draw the cell at column x and row y; it is grey and empty without a value."""
    value = np.nan if row is None else row["value"]
    known = np.isfinite(value)
    colour = AUC_COLOURS.to_rgba(np.array(value)) if known else UNKNOWN_COLOUR
    axes.add_patch(Rectangle((x - 0.49, y - 0.48), 0.98, 0.96, color=colour, lw=0))
    if row is None or not known:
        return
    linear = np.power(colour[:3], 2.2)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    ink = "black" if luminance > EQUAL_CONTRAST_LUMINANCE else "white"
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
    axes.text(x, y - 0.14, f"{value:.3f}", fontsize=9, **style)
    low, high = row["low"], row["high"]
    between = f"{low:.3f} to {high:.3f}" if np.isfinite(low + high) else "no interval"
    axes.text(x, y + 0.23, between, fontsize=6, **style)
