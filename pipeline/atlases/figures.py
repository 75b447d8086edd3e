"""Draw atlases, statistics, region bars and galleries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from pipeline.atlases.arrays import OUTCOMES, CellArrays
from pipeline.atlases.gallery import Frame
from pipeline.atlases.overlays import (
    SCALE,
    STRENGTH,
    Look,
    bare,
    colour_bar,
    frame_name,
    mark_squares,
    outline,
    overlay,
    row_name,
    rows_of,
    shared_limit,
    smooth,
)
from pipeline.files.figures import counted, save
from pipeline.models.predictions import probability


def plot_atlas(
    cells: Sequence[CellArrays],
    certificates: Mapping[tuple, str],
    title: str,
    look: Look,
    path: Path,
) -> None:
    """Mean heatmaps: a row a method of a test set, a column an outcome.

    `certificates` gives the words above each cell by (*place, outcome). Dashed is where
    half of the cell's masks end; a thin line goes around what differs from real faces.
    """
    found = {(*cell.place, cell.outcome): cell for cell in cells}
    places = rows_of(cell.place for cell in cells)
    figure, panels = plt.subplots(
        len(places),
        2 * len(OUTCOMES),
        figsize=(9.6, 2.5 * len(places) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    for row, place in zip(panels, places, strict=True):
        row[0].set_ylabel(row_name(place, places), fontsize=11)
        own = [found[key] for o in OUTCOMES if (key := (*place, o)) in found]
        # A cell of few frames is noisy and strong: it must not set the row's scale.
        limit = shared_limit([max(own, key=lambda cell: cell.frames).mean])
        for (left, right), outcome in zip(row.reshape(-1, 2), OUTCOMES, strict=True):
            bare(left)
            bare(right)
            cell = found.get((*place, outcome))
            if cell is None:
                left.set_title(f"{outcome}: none", fontsize=9, loc="left", color="grey")
                continue
            left.imshow(cell.face)
            right.imshow(
                overlay(cell.mean, cell.face, limit, look.colormap, look.opacity)
            )
            outline(right, cell.mask)
            mark_squares(right, cell.significant, len(cell.face))
            left.set_title(certificates[(*place, outcome)], fontsize=9, loc="left")
        colour_bar(figure, row, limit, look.colormap)
    figure.suptitle(f"{title}\n{SCALE}", fontsize=11)
    save(figure, path)


def plot_statistics(
    cells: Sequence[CellArrays], title: str, look: Look, path: Path
) -> None:
    """Mean, median and spread of signed and of absolute maps, over all outcomes."""
    shown = {cell.place: cell for cell in cells if cell.outcome == "all"}
    places = rows_of(shown)
    signed = {"mean": "mean", "median": "median"}
    plain = {
        "std": "std. deviation",
        "mean_abs": "mean of |map|",
        "median_abs": "median of |map|",
        "std_abs": "std. deviation of |map|",
    }
    figure, panels = plt.subplots(
        len(places),
        len(signed) + len(plain),
        figsize=(13.5, 2.3 * len(places) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    for row, place in zip(panels, places, strict=True):
        cell = shown[place]
        row[0].set_ylabel(f"{row_name(place, places)}\n{counted(cell.frames, 'frame')}")
        limit = shared_limit([cell.mean])
        known = [map for name in plain if np.isfinite(map := getattr(cell, name)).all()]
        strong = max(shared_limit([map]) for map in known)
        for axes, (name, words) in zip(row, (signed | plain).items(), strict=True):
            bare(axes)
            map = smooth(getattr(cell, name))
            if name in signed:
                axes.imshow(map, cm.cmaps[look.colormap], vmin=-limit, vmax=limit)
            else:
                axes.imshow(map, STRENGTH, vmin=0, vmax=strong)
            if not np.isfinite(map).all():  # the spread of one frame
                axes.text(0.5, 0.5, "one frame", ha="center", transform=axes.transAxes)
            if place == places[0]:
                axes.set_title(words, fontsize=10)
        colour_bar(figure, row[: len(signed)], limit, look.colormap)
        scale = ScalarMappable(Normalize(0, 1000 * strong), STRENGTH)
        bar = figure.colorbar(scale, ax=row[len(signed) :], shrink=0.9, aspect=12)
        bar.set_label("without sign", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{title}\n{SCALE}", fontsize=11)
    save(figure, path)


def plot_ledger(ledger: pd.DataFrame, title: str, look: Look, path: Path) -> None:
    """What each region adds to the logit: a panel a method, a bar a region.

    `ledger` has rows of outcome "all" with dataset, compression, method, region,
    logits, low and high; the regions of a panel add up to the logit's mean change.
    """
    ledger = ledger[(ledger["outcome"] == "all") & (ledger["region"] != "all")]
    keys = ["dataset", "compression", "method"]
    of_place = dict(iter(ledger.groupby(keys, sort=False)))
    places = rows_of(of_place)
    count = max(len(places), 1)
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
    for axes, place in zip(panels.flat, places, strict=False):
        part = of_place[place]
        values = part["logits"].to_numpy()
        spread = np.abs(part[["low", "high"]].to_numpy().T - values)
        error = {"elinewidth": 0.8, "ecolor": "0.3"}
        colours = ends[(values > 0).astype(int)]
        axes.barh(part["region"], values, xerr=spread, color=colours, error_kw=error)
        axes.axvline(0, color="0.3", lw=0.8)
        axes.set_title(
            f"{row_name(place, places)}\nsum {values.sum():+.2f}", fontsize=9
        )
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels.flat[len(places) :]:
        axes.set_visible(False)
    panels[0, 0].invert_yaxis()
    figure.supxlabel("logits: ← real   fake →, and 95 % intervals", fontsize=9)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def plot_gallery(
    examples: Mapping[str, Sequence[Frame]], title: str, look: Look, path: Path
) -> None:
    """Single frames, a face and its heatmap each; dashed: the manipulated region."""
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
            bare(axes)
        row[0].set_ylabel(name, fontsize=9)
        limit = shared_limit([frame.map for frame in frames])
        for (left, right), frame in zip(row.reshape(-1, 2), frames, strict=False):
            left.imshow(frame.crop)
            right.imshow(
                overlay(frame.map, frame.crop, limit, look.colormap, look.opacity)
            )
            outline(right, frame.mask)
            for axes, words in zip((left, right), _words(frame.row), strict=True):
                axes.set_title(words, fontsize=8, loc="left")
        colour_bar(figure, row, limit, look.colormap)
    figure.suptitle(f"{title}\n{SCALE}", fontsize=11)
    save(figure, path)


def _words(row: pd.Series) -> tuple[str, str]:
    """What stands above a frame and above its map."""
    chance = float(probability(row["logit"]))
    held = "completeness" if row["converged"] else "NOT CONVERGED"
    error = f"{held}\nerror {row['completeness_error']:.1%}"
    return f"{frame_name(row)}\nfake: {chance:.1%}", error
