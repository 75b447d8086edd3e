"""Pictures of attributions: heatmaps laid over faces, and what they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.files.figures import shortened
from pipeline.videos.table import REAL

LABEL = 26  # characters of a name beside a row or above a panel
SMOOTHING = 1 / 64  # of the side: sigma of the blur before a map is shown
STRENGTH = cm.batlow  # of what has no sign


@dataclass(frozen=True)
class Look:
    """How signed maps are coloured: see the `atlases` section of the configuration."""

    colormap: str = "vik"
    opacity: float = 0.7


def smooth(map: np.ndarray) -> np.ndarray:
    """A map (S, S) as it is shown: blurred a little, since single pixels are noise."""
    return cv2.GaussianBlur(map, (0, 0), map.shape[0] * SMOOTHING)


def overlay(
    map: np.ndarray, face: np.ndarray, limit: float, colormap: str, opacity: float
) -> np.ndarray:
    """A map (S, S) over the grey face (S, S, 3) uint8: (S, S, 3) float RGB in 0..1.

    Colours run from -limit to limit and are the more opaque the stronger.
    """
    strength = np.clip(smooth(map) / limit, -1, 1)
    colours = cm.cmaps[colormap]((strength + 1) / 2)[..., :3]
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None] / 255
    cover = opacity * np.abs(strength)[..., None] ** 0.75
    return grey * (1 - cover) + colours * cover


def shared_limit(maps: Sequence[np.ndarray]) -> float:
    """The end of the colour scale that `maps` share, so that they can be compared."""
    strengths = np.concatenate([np.abs(smooth(map)).ravel() for map in maps])
    return float(np.quantile(strengths, 0.995)) or 1.0


def colour_bar(
    figure: Figure, panels: np.ndarray | Axes, limit: float, colormap: str
) -> None:
    """The scale of signed maps, in thousandths of a logit a pixel."""
    scale = ScalarMappable(Normalize(-1000 * limit, 1000 * limit), cm.cmaps[colormap])
    bar = figure.colorbar(
        scale, ax=panels, shrink=0.9, aspect=12, pad=0.02, extend="both"
    )
    bar.ax.tick_params(labelsize=8)
    bar.set_label("← real   fake →", fontsize=8)


def bare(axes: Axes) -> None:
    """A panel for a picture: without ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def outline(axes: Axes, mask: np.ndarray) -> None:
    """A dashed line around where at least half of a mask (G, G) in 0..1 is."""
    if (mask >= 0.5).any() and (mask < 0.5).any():
        axes.contour(mask, [0.5], colors="black", linestyles="--", linewidths=0.9)


def rows_of(places: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The rows of a figure: test sets and methods, real faces first in each set."""
    return sorted(set(places), key=lambda p: (p[0], p[1], p[2] != REAL, p[2]))


def row_name(place: tuple[str, str, str], places: Sequence[tuple]) -> str:
    """A row's label: the method, and the test set where there are several."""
    dataset, compression, method = (shortened(part, LABEL) for part in place)
    several = len({p[:2] for p in places}) > 1
    return f"{method}\n{dataset}, {compression}" if several else method


SCALE = "colours: thousandths of a logit a pixel, each row on the scale beside it"


def mark_squares(axes: Axes, where: np.ndarray, side: int) -> None:
    """A thin line around squares (P, P) bool of a picture of `side` px."""
    if where.any() and not where.all():
        fine = cv2.resize(
            where.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
        )
        axes.contour(fine, [0.5], colors="black", linewidths=0.4)


def frame_name(row: pd.Series) -> str:
    """A frame's method and file, in the width of a panel."""
    file = row["video"].split("/")[-1]
    method = shortened(row["method"], max(LABEL // 2, LABEL - 1 - len(file)))
    return f"{method} {shortened(file, LABEL - 1 - len(method))}"
