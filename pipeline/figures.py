"""Figures of training and of many models' metrics; what all figures share."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from pipeline.atomic import replacing

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

# Dashes tell curves apart in grey print and where they lie upon each other; with seven
# colours they come round only after 35 slices.
DASHES = ("-", *((0, dash) for dash in ((6, 1.5), (6, 1.5, 1, 1.5), (2, 1), (4, 4))))
LEGEND = {"frameon": False, "fontsize": 8, "title_fontsize": 8, "handlelength": 3}

AUC_COLOURS = ScalarMappable(Normalize(0.5, 1.0), "cividis")
CELL = (0.98, 0.5)  # inches, width and height of a cell of a heat table

# Names of files and methods stand in titles as they are, dollar signs and all.
plt.rcParams["text.parse_math"] = False


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the date that would change its bytes."""
    with replacing(path) as part:
        figure.savefig(part, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def shortened(name: str, most: int) -> str:
    """A name, its end cut off if it has more than `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def counted(number: int, thing: str) -> str:
    """So many things."""
    return f"{number} {thing}" + "s" * (number != 1)


def pens() -> Iterator[dict[str, Any]]:
    """How to draw one curve after another; the first, of all items, is thicker."""
    for place, colour in enumerate(cycle(COLOURS)):
        dash = DASHES[place % len(DASHES)]
        yield {"color": colour, "ls": dash, "lw": 1.4 if place else 2.2}


def legend_below(axes: Axes, title: str) -> None:
    """A legend under a panel, where it hides no curve however many there are."""
    down = ScaledTranslation(0, -0.5, axes.figure.dpi_scale_trans)  # inches
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + down}
    axes.legend(title=title, ncols=2, loc="upper center", **place, **LEGEND)


def kept_epoch(history: pd.DataFrame) -> int:
    """The epoch whose weights are kept: highest video AUC, then lowest loss."""
    keys = ["val_video_auc", "val_loss"]
    ranked = history.sort_values(keys, ascending=[False, True], kind="stable")
    return int(ranked["epoch"].iloc[0])


def plot_history(history: pd.DataFrame, title: str, path: Path) -> None:
    """Loss, validation AUC and learning rate over epochs, with the kept epoch marked.

    `history` has one row an epoch. A row of epoch 0, with NaN for the training loss, is
    of weights taken as they are.
    """
    figure, panels = plt.subplots(
        1, 3, figsize=(10.5, 3.2), width_ratios=(4, 4, 2.4), layout="constrained"
    )
    drawn = (
        {"train_loss": "training", "val_loss": "validation"},
        {"val_frame_auc": "by frame", "val_video_auc": "by video"},
        {"learning_rate": ""},
    )
    names = ("binary cross-entropy", "validation AUC", "learning rate")
    kept, epochs = kept_epoch(history), history["epoch"]
    for axes, lines, name in zip(panels, drawn, names, strict=True):
        for (column, label), colour in zip(lines.items(), COLOURS[1:], strict=False):
            mark = {"marker": "os"[colour == COLOURS[2]], "ms": 4, "label": label}
            axes.plot(epochs, history[column], "-", color=colour, **mark)
        axes.axvline(kept, color="grey", lw=0.8, zorder=0, label=f"kept: epoch {kept}")
        axes.set(xlabel="epoch", xlim=(epochs.min() - 0.5, epochs.max() + 0.5))
        axes.set_title(name, fontsize=10)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    panels[0].set(ylim=(0, None))
    panels[1].set(ylim=(None, 1.01))
    panels[2].set(ylim=(0, None))
    panels[2].ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    for axes in panels[:2]:
        axes.legend(frameon=False, fontsize=9)
    figure.suptitle(title)
    save(figure, path)


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
