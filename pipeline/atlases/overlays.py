"""The parts that pictures of attributions are made of: heatmaps over faces, labels."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from pipeline.atlases.arrays import Slice
from pipeline.atlases.scales import smooth
from pipeline.files.figures import shortened
from pipeline.videos.table import REAL

MAX_LABEL = 26  # characters of a name next to a row or above a panel
UNSIGNED_COLORMAP = cm.batlow
SCALE_NOTE = "colours: thousandths of a logit per pixel; each row has its own scale"


@dataclass(frozen=True)
class Look:
    """How signed maps are coloured: see the `atlases` section of the configuration."""

    colormap: str = "vik"
    opacity: float = 0.7


def overlay(
    heatmap: np.ndarray, face: np.ndarray, *, limit: float, look: Look
) -> np.ndarray:
    """Show a map (S, S) over the grey face (S, S, 3) uint8: (S, S, 3) float in 0..1.

    Colours run from -limit to limit. The stronger a colour, the more opaque it is.
    """
    colours, cover = colour_layer(heatmap, limit=limit, look=look)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None] / 255
    return grey * (1 - cover) + colours * cover


def colour_layer(
    heatmap: np.ndarray, *, limit: float, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """The colours (S, S, 3) and opacities (S, S, 1) of a map (S, S), in 0..1."""
    strength = np.clip(smooth(heatmap) / limit, -1, 1)
    colours = cm.cmaps[look.colormap]((strength + 1) / 2)[..., :3]
    return colours, look.opacity * np.abs(strength)[..., None] ** 0.75


def shared_limit(maps: Sequence[np.ndarray]) -> float:
    """The end of a colour scale for all of `maps`, so that they can be compared."""
    strengths = np.concatenate([np.abs(smooth(heatmap)).ravel() for heatmap in maps])
    return float(np.quantile(strengths, 0.995)) or 1.0


def colour_bar(
    figure: Figure | SubFigure,
    panels: np.ndarray | Axes,
    *,
    limit: float,
    look: Look,
) -> None:
    """Draw the scale of signed maps, in thousandths."""
    colormap = cm.cmaps[look.colormap]
    scale = ScalarMappable(Normalize(-1000 * limit, 1000 * limit), colormap)
    bar = figure.colorbar(
        scale, ax=panels, shrink=0.9, aspect=12, pad=0.02, extend="both"
    )
    bar.ax.tick_params(labelsize=8)
    bar.set_label("← real   fake →", fontsize=8)


def hide_axes(axes: Axes) -> None:
    """Hide the ticks and the frame of a panel that shows a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def outline_mask(axes: Axes, mask: np.ndarray) -> None:
    """Draw a dashed line around the part of a mask (G, G) in 0..1 that is at least
    0.5."""
    if (mask >= 0.5).any() and (mask < 0.5).any():
        axes.contour(mask, [0.5], colors="black", linestyles="--", linewidths=0.9)


def figure_rows(slices: Iterable[Slice]) -> list[Slice]:
    """The rows of a figure: test sets and methods, real faces first in each set."""
    return sorted(set(slices), key=lambda s: (s[0], s[1], s[2] != REAL, s[2]))


def row_label(shown: Slice, slices: Collection[Slice]) -> str:
    """The label of a row: its method and, if `slices` have several, its test set."""
    dataset, compression, method = (shortened(part, MAX_LABEL) for part in shown)
    several = len({s[:2] for s in slices}) > 1
    return f"{method}\n{dataset}, {compression}" if several else method


def hatch_others(axes: Axes, squares: np.ndarray, side: int) -> None:
    """Hatch a picture of `side` px outside of significant squares (P, P) bool.

    No hatching: all squares are significant. Hatched everywhere: none is.
    """
    if squares.all():
        return
    fine = cv2.resize(
        squares.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
    )
    with rc_context({"hatch.linewidth": 0.3, "hatch.color": "0.35"}):
        axes.contourf(fine, [-0.5, 0.5], colors="none", hatches=["////"])


def frame_name(row: pd.Series) -> str:
    """The method and file of a frame, shortened to the width of a panel."""
    file = row["video"].split("/")[-1]
    method = shortened(row["method"], max(MAX_LABEL // 2, MAX_LABEL - 1 - len(file)))
    return f"{method} {shortened(file, MAX_LABEL - 1 - len(method))}"
