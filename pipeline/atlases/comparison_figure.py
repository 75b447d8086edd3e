"""Draw where the mean maps of two detectors differ."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from pipeline.atlases.model_comparison import Difference, normalised
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
from pipeline.files.figures import save
from pipeline.statistics.significance import MIN_TESTED_UNITS

NOTE = (
    "each divided by the sum of its absolute values; colours: thousandths of this sum "
    "per pixel\nhatched: not significantly different"
)


def plot_differences(found: Sequence[Difference], look: Look, path: Path) -> None:
    """Draw a row for each method and pair: both mean maps, and their difference.

    Each map is divided by the sum of its absolute values.
    """
    figure, panels = plt.subplots(
        max(len(found), 1),
        3,
        figsize=(8.6, 2.5 * max(len(found), 1) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    slices = figure_rows(one.cell.slice for one in found)
    ordered = sorted(found, key=lambda one: slices.index(one.cell.slice))
    for row, one in zip(panels, ordered, strict=False):
        maps = (normalised(one.cell), normalised(one.other_cell), one.heatmap)
        names = (one.detector, one.other, "difference")
        limit = shared_limit(maps[:2])
        for axes, heatmap, name in zip(row, maps, names, strict=True):
            hide_axes(axes)
            axes.imshow(overlay(heatmap, one.cell.face, limit=limit, look=look))
            outline_mask(axes, one.cell.mask)
            axes.set_title(name, fontsize=9, loc="left")
        hatch_others(row[2], one.significant, len(one.cell.face))
        if one.cell.units < MIN_TESTED_UNITS:
            row[2].set_title("difference, not tested: too few units", fontsize=8)
        row[0].set_ylabel(row_label(one.cell.slice, slices), fontsize=10)
        colour_bar(figure, row, limit=limit, look=look)
    figure.suptitle(f"mean attributions of two detectors\n{NOTE}", fontsize=11)
    save(figure, path)
