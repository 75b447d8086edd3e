"""Pictures of attributions: heatmaps laid over faces, and what they add up to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cmcrameri import cm
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.atlas_arrays import OUTCOMES, CellArrays
from pipeline.figures import counted, save, shortened
from pipeline.gallery_frames import Frame
from pipeline.prediction import probability
from pipeline.video_table import REAL

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


def mark_squares(axes: Axes, where: np.ndarray, side: int) -> None:
    """A thin line around squares (P, P) bool of a picture of `side` px."""
    if where.any() and not where.all():
        fine = cv2.resize(
            where.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST
        )
        axes.contour(fine, [0.5], colors="black", linewidths=0.4)


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


def frame_name(row: pd.Series) -> str:
    """A frame's method and file, in the width of a panel."""
    file = row["video"].split("/")[-1]
    method = shortened(row["method"], max(LABEL // 2, LABEL - 1 - len(file)))
    return f"{method} {shortened(file, LABEL - 1 - len(method))}"


def _words(row: pd.Series) -> tuple[str, str]:
    """What stands above a frame and above its map."""
    chance = float(probability(row["logit"]))
    held = "completeness" if row["converged"] else "NOT CONVERGED"
    error = f"{held}\nerror {row['completeness_error']:.1%}"
    return f"{frame_name(row)}\nfake: {chance:.1%}", error
