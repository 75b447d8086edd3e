"""Draw atlases, statistics, the ledger of regions, and galleries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from pipeline.atlases.arrays import OUTCOMES, CellArrays
from pipeline.atlases.captions import Captions
from pipeline.atlases.gallery import Frame
from pipeline.atlases.overlays import (
    SCALE_NOTE,
    UNSIGNED_COLORMAP,
    Look,
    colour_bar,
    figure_rows,
    frame_name,
    hatch_others,
    hide_axes,
    outline_mask,
    overlay,
    row_label,
    shared_limit,
)
from pipeline.atlases.regions import MOVE
from pipeline.atlases.scales import smooth
from pipeline.files.figures import counted, save
from pipeline.statistics.significance import MIN_TESTED_UNITS

# The significant squares (P, P) of cells, by data set, compression, method and outcome.
Significant = Mapping[tuple[str, str, str, str], np.ndarray]

SIGNED_STATISTICS = {"mean": "mean", "median": "median"}
UNSIGNED_STATISTICS = {
    "std": "std. deviation",
    "mean_abs": "mean of |map|",
    "median_abs": "median of |map|",
    "std_abs": "std. deviation of |map|",
}


def plot_atlas(
    cells: Sequence[CellArrays],
    captions: Captions,
    significant: Significant,
    *,
    title: str,
    look: Look,
    path: Path,
) -> None:
    """Draw mean heatmaps: a row for each method of a test set.

    From the left: the mean face; the mean map of all frames; that of frames which were
    classified right; that of the others. A dashed line surrounds the pixels that are in
    at least half of the cell's masks. `significant` has the squares of each method that
    is tested which differ significantly from real faces (from the baseline `original`:
    from zero). The others are hatched. Real faces, and frames chosen by their outcome,
    are compared with nothing. Cells of fewer than MIN_TESTED_UNITS units are listed,
    and not drawn.
    """
    found = {(*cell.slice, cell.outcome): cell for cell in cells}
    slices = figure_rows(cell.slice for cell in cells)
    outcomes = ("all", *OUTCOMES)
    figure, panels = plt.subplots(
        len(slices),
        1 + len(outcomes),
        figsize=(11.2, 2.7 * len(slices) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    for row, shown in zip(panels, slices, strict=True):
        whole = found[*shown, "all"]
        row[0].set_ylabel(row_label(shown, slices), fontsize=11)
        hide_axes(row[0])
        row[0].set_box_aspect(1)
        if whole.units >= MIN_TESTED_UNITS:
            row[0].imshow(whole.face)
        limit = shared_limit([whole.mean])
        for axes, outcome in zip(row[1:], outcomes, strict=True):
            hide_axes(axes)
            axes.set_box_aspect(1)
            cell = found.get((*shown, outcome))
            if cell is None:
                axes.set_title(f"{outcome}: none", fontsize=7, loc="left", color="grey")
                continue
            axes.set_title(captions[*shown, outcome], fontsize=7, loc="left")
            if cell.units < MIN_TESTED_UNITS:
                axes.text(0.05, 0.9, "too few units to draw", color="grey", va="top")
                continue
            axes.imshow(overlay(cell.mean, cell.face, limit=limit, look=look))
            outline_mask(axes, cell.mask)
            if (*shown, outcome) in significant:
                squares = significant[*shown, outcome]
                hatch_others(axes, squares, len(cell.face))
        colour_bar(figure, row, limit=limit, look=look)
    figure.suptitle(f"{title}\n{SCALE_NOTE}", fontsize=11)
    save(figure, path)


def plot_statistics(
    cells: Sequence[CellArrays], *, title: str, look: Look, path: Path
) -> None:
    """Draw mean, median and spread of signed and absolute maps, over all outcomes."""
    shown_cells = {cell.slice: cell for cell in cells if cell.outcome == "all"}
    slices = figure_rows(shown_cells)
    figure, panels = plt.subplots(
        len(slices),
        len(SIGNED_STATISTICS) + len(UNSIGNED_STATISTICS),
        figsize=(13.5, 2.3 * len(slices) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    for row, shown in zip(panels, slices, strict=True):
        cell = shown_cells[shown]
        label = row_label(shown, slices)
        row[0].set_ylabel(f"{label}\n{counted(cell.frames, 'frame')}")
        limit = shared_limit([cell.mean])
        unsigned = [getattr(cell, name) for name in UNSIGNED_STATISTICS]
        unsigned_limit = max(
            shared_limit([values]) for values in unsigned if np.isfinite(values).all()
        )
        statistics = SIGNED_STATISTICS | UNSIGNED_STATISTICS
        for axes, (name, words) in zip(row, statistics.items(), strict=True):
            hide_axes(axes)
            values = smooth(getattr(cell, name))
            if name in SIGNED_STATISTICS:
                axes.imshow(values, cm.cmaps[look.colormap], vmin=-limit, vmax=limit)
            else:
                axes.imshow(values, UNSIGNED_COLORMAP, vmin=0, vmax=unsigned_limit)
            if not np.isfinite(values).all():  # one frame has no spread
                axes.text(0.5, 0.5, "one frame", ha="center", transform=axes.transAxes)
            if shown == slices[0]:
                axes.set_title(words, fontsize=10)
        colour_bar(figure, row[: len(SIGNED_STATISTICS)], limit=limit, look=look)
        scale = ScalarMappable(Normalize(0, 1000 * unsigned_limit), UNSIGNED_COLORMAP)
        unsigned_axes = row[len(SIGNED_STATISTICS) :]
        bar = figure.colorbar(scale, ax=unsigned_axes, shrink=0.9, aspect=12)
        bar.set_label("without sign", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{title}\n{SCALE_NOTE}", fontsize=11)
    save(figure, path)


def plot_ledger(ledger: pd.DataFrame, *, title: str, look: Look, path: Path) -> None:
    """Draw how much each region adds to the logit: a panel per method, a bar per
    region.

    `ledger` has the columns outcome, dataset, compression, method, region, logits, low,
    high, moved_low and moved_high. Only the outcome "all" is drawn. The regions of a
    panel add up to the mean change of the logit. The upper line at a bar's end is its
    interval, the lower one is its range if the regions are moved.
    """
    ledger = ledger[(ledger["outcome"] == "all") & (ledger["region"] != "all")]
    keys = ["dataset", "compression", "method"]
    by_slice = dict(iter(ledger.groupby(keys, sort=False)))
    slices = figure_rows(by_slice)
    count = max(len(slices), 1)
    columns = min(count, 5)
    lines = -(-count // columns)
    figure, panels = plt.subplots(
        lines,
        columns,
        figsize=(2.3 * columns + 1.6, 2.9 * lines + 0.8),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    ends = cm.cmaps[look.colormap]([0.2, 0.8])
    for axes, shown in zip(panels.flat, slices, strict=False):
        part = by_slice[shown]
        values = part["logits"].to_numpy()
        spread = np.abs(part[["low", "high"]].to_numpy().T - values)
        colours = ends[(values > 0).astype(int)]
        axes.barh(part["region"], values, color=colours)
        places = np.arange(len(part))
        axes.errorbar(values, places - 0.15, xerr=spread, fmt="none", lw=0.8, c="0.3")
        moved = part[["moved_low", "moved_high"]].to_numpy().T
        axes.hlines(places + 0.2, *moved, color="0.6", lw=2.5)
        axes.axvline(0, color="0.3", lw=0.8)
        axes.set_title(
            f"{row_label(shown, slices)}\nsum {values.sum():+.2f}", fontsize=9
        )
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels.flat[len(slices) :]:
        axes.set_visible(False)
    panels[0, 0].invert_yaxis()
    figure.supxlabel("logits: ← real   fake →, with 95 % intervals", fontsize=9)
    note = (
        f"grey: with all regions moved by {MOVE:.0%} of the distance between the eyes"
    )
    figure.suptitle(f"{title}\n{note}", fontsize=11)
    save(figure, path)


def plot_gallery(
    examples: Mapping[str, Sequence[Frame]], *, title: str, look: Look, path: Path
) -> None:
    """Draw single frames: a face and its heatmap each, a row for each kind of example.

    A dashed line surrounds the manipulated region. Above each face are the logit and
    the threshold, at or above which a frame is called fake.
    """
    columns = max(len(frames) for frames in examples.values())
    figure, panels = plt.subplots(
        len(examples),
        2 * columns,
        figsize=(2.9 * columns + 1.2, 1.95 * len(examples) + 0.8),
        layout="constrained",
        squeeze=False,
    )
    for row, (name, frames) in zip(panels, examples.items(), strict=True):
        for axes in row:
            hide_axes(axes)
        row[0].set_ylabel(name, fontsize=9)
        limit = shared_limit([frame.heatmap for frame in frames])
        for (left, right), frame in zip(row.reshape(-1, 2), frames, strict=False):
            left.imshow(frame.crop)
            right.imshow(overlay(frame.heatmap, frame.crop, limit=limit, look=look))
            outline_mask(right, frame.mask)
            for axes, words in zip((left, right), _captions(frame.row), strict=True):
                axes.set_title(words, fontsize=8, loc="left")
        colour_bar(figure, row, limit=limit, look=look)
    figure.suptitle(f"{title}\n{SCALE_NOTE}", fontsize=11)
    save(figure, path)


def _captions(row: pd.Series) -> tuple[str, str]:
    """The text above a frame, and the text above its map."""
    status = "" if row["converged"] else "NOT CONVERGED: "
    error = f"{status}errors: map {_percent(row['map_error'])},\n"
    error += f"pixels {_percent(row['pixel_error'])}, "
    error += f"sum {_percent(row['completeness_error'])}"
    return f"{frame_name(row)}\n{score_text(row)}", error


def score_text(row: pd.Series) -> str:
    """A frame's logit beside the threshold, which decides what it is called.

    `row` has label, outcome, logit and margin: how far the logit is from the threshold.
    """
    is_called_fake = (row["label"] == 1) == (row["outcome"] == "right")
    side = 1 if is_called_fake else -1
    threshold = row["logit"] - side * row["margin"]
    sign = ">=" if is_called_fake else "<"
    return f"logit {row['logit']:+.2f} {sign} {threshold:+.2f}"


def _percent(share: float) -> str:
    return "unknown" if np.isnan(share) else f"{share:.1%}"
