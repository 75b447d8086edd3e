"""Draw two mean maps beside each other, and where they differ."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from pipeline.atlases.arrays import CellArrays
from pipeline.atlases.differences import WRONG, Difference, normalised
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

NOTE = (
    "each divided by the sum of its absolute values; colours: thousandths of this sum "
    "per pixel\nhatched: not significantly different"
)


def plot_differences(
    found: Sequence[Difference],
    threshold: float,
    *,
    title: str,
    look: Look,
    path: Path,
) -> None:
    """Draw a row for each difference: both mean maps, and the difference.

    Each map is divided by the sum of its absolute values. `threshold` is that of
    `read_threshold`.
    """
    count = max(len(found), 1)
    figure, panels = plt.subplots(
        count,
        3,
        figsize=(8.6, 2.5 * count + 1.0),
        layout="constrained",
        squeeze=False,
    )
    slices = figure_rows(one.cell.slice for one in found)
    ordered = sorted(found, key=lambda one: slices.index(one.cell.slice))
    for row, one in zip(panels, ordered, strict=False):
        left, right = _shown_maps(one)
        names = (*one.names, "difference")
        limit = shared_limit([left, right])
        for axes, heatmap, name in zip(
            row, (left, right, left - right), names, strict=True
        ):
            hide_axes(axes)
            axes.imshow(overlay(heatmap, one.cell.face, limit=limit, look=look))
            outline_mask(axes, one.cell.mask)
            axes.set_title(name, fontsize=9, loc="left")
        hatch_others(row[2], one.significant(threshold), len(one.cell.face))
        if one.picture is None:
            words = "difference, not tested: too few units"
            row[2].set_title(words, fontsize=8, loc="left")  # instead of its name
        row[0].set_ylabel(row_label(one.cell.slice, slices), fontsize=10)
        colour_bar(figure, row, limit=limit, look=look)
    if not found:
        for axes in panels.flat:
            hide_axes(axes)
        panels[0, 0].set_title("nothing to compare", fontsize=9, loc="left")
    figure.suptitle(f"{title}\n{NOTE}", fontsize=11)
    save(figure, path)


def _shown_maps(one: Difference) -> tuple[np.ndarray, np.ndarray]:
    """The two maps of a difference as they are drawn, (G, G) each."""
    assert one.other is not None
    if one.comparison == WRONG:
        return _fine_shape(one.cell), _fine_shape(one.other)
    return normalised(one.cell), normalised(one.other)


def _fine_shape(cell: CellArrays) -> np.ndarray:
    """A cell's shape in squares, with about the same sum in pixels (G, G)."""
    side = len(cell.mean)
    fine = cv2.resize(cell.shape, (side, side), interpolation=cv2.INTER_LINEAR)
    return fine * (len(cell.shape) / side) ** 2
