"""Draw what regions do to the logit, and curves of insertion and deletion."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline.atlases.intervention_tables import (
    CHANGE,
    CONTROL_ORDERS,
    CORRELATION,
    DELETION,
    INSERTION,
    MAP,
    MEAN_FRACTION,
    REMOVAL,
)
from pipeline.atlases.overlays import row_label
from pipeline.files.figures import COLOURS, save
from pipeline.metrics.slices import SLICE_KEYS

MAX_COLUMNS = 5
MEASURES = (MAP, REMOVAL, INSERTION)


def plot_interventions(
    regions: pd.DataFrame, curves: pd.DataFrame, *, title: str, path: Path
) -> None:
    """Draw a panel of regions for each slice, and the curves of all fakes.

    `regions` and `curves` are the tables of `region_effect_table` and
    `curve_effect_table`; both may be empty.
    """
    by_slice = dict(iter(regions.groupby(SLICE_KEYS, sort=False)))
    slices = list(by_slice)
    columns = min(max(len(slices), 2), MAX_COLUMNS)
    lines = max(-(-len(slices) // columns), 1)
    figure = plt.figure(
        figsize=(2.4 * columns + 1.6, 3.2 * lines + 3.6), layout="constrained"
    )
    above, below = figure.subfigures(
        2, 1, squeeze=False, height_ratios=(3.2 * lines, 3.0)
    )[:, 0]
    panels = above.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, shown in zip(panels.flat, slices, strict=False):
        _plot_regions(axes, by_slice[shown], row_label(shown, slices))
    for axes in panels.flat[len(slices) :]:
        axes.set_visible(False)
    if slices:
        panels[0, 0].invert_yaxis()
        panels[0, 0].legend(fontsize=7, frameon=False)
    above.supxlabel("logits, with 95 % intervals", fontsize=9)
    chosen = curves[curves["fraction"] != MEAN_FRACTION]
    if slices:
        chosen = dict(iter(chosen.groupby(SLICE_KEYS)))[slices[0]]
    pair = zip(below.subplots(1, 2), (INSERTION, DELETION), strict=True)
    for axes, name in pair:
        _plot_curves(axes, chosen[chosen["curve"] == name], name)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _plot_regions(axes: Axes, effects: pd.DataFrame, label: str) -> None:
    """Draw the map's sum, the removal and the insertion of each region."""
    single = effects[effects["region"] != "all"]
    names = list(dict.fromkeys(single["region"]))
    for number, measure in enumerate(MEASURES):
        part = single[single["measure"] == measure].set_index("region")
        part = part.reindex(names)
        heights = np.arange(len(names)) + 0.27 * (number - 1)
        spread = np.abs(part[["low", "high"]].to_numpy().T - part["value"].to_numpy())
        axes.barh(
            heights,
            part["value"],
            height=0.25,
            xerr=spread,
            color=COLOURS[number],
            error_kw={"elinewidth": 0.8, "ecolor": "0.3"},
            label=measure,
        )
    axes.set_yticks(range(len(names)), names)
    axes.axvline(0, color="0.3", lw=0.8)
    whole = effects[effects["region"] == "all"].set_index("measure")["value"]
    lines = [label]
    for pair in ((CHANGE, MAP), (REMOVAL, INSERTION)):
        found = [f"{name} {whole[name]:+.2f}" for name in pair if name in whole.index]
        lines.append(", ".join(found))
    if CORRELATION in whole.index:
        lines.append(f"correlation {whole[CORRELATION]:.2f}")
    axes.set_title("\n".join(lines), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_curves(axes: Axes, curves: pd.DataFrame, name: str) -> None:
    """Draw the curves of one kind: solid for maps, dashed for controls."""
    for number, (order, part) in enumerate(curves.groupby("order", sort=False)):
        fractions = part["fraction"].astype(float)
        style = "--" if order in CONTROL_ORDERS else "-"
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(fractions, part["value"], style, color=colour, label=order, lw=1.5)
    above = {INSERTION: "above the original's", DELETION: "below the fake's"}
    axes.set_title(f"{name}: logit {above[name]}, all fakes", fontsize=9, loc="left")
    axes.set_xlabel("share of the pixels, in the order of the map", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if len(curves):
        axes.legend(fontsize=7, frameon=False)
