"""Pictures of attributions: heatmaps laid over faces."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.atlas import OUTCOMES, Cell, Frame
from pipeline.figures import save
from pipeline.prediction import probability

SMOOTHING = 1 / 64  # of the side: sigma of the blur before a map is shown


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
    colours = colormaps[colormap]((strength + 1) / 2)[..., :3]
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None] / 255
    cover = opacity * np.abs(strength)[..., None] ** 0.75
    return grey * (1 - cover) + colours * cover


def shared_limit(maps: Sequence[np.ndarray]) -> float:
    """The end of the colour scale that `maps` share, so that they can be compared."""
    strengths = np.concatenate([np.abs(smooth(map)).ravel() for map in maps])
    return float(np.quantile(strengths, 0.995)) or 1.0


def _colour_bar(figure: Figure, row: np.ndarray, limit: float, colormap: str) -> None:
    """A row's own scale: rows differ tenfold in strength, and the bar says so."""
    scale = ScalarMappable(Normalize(-1000 * limit, 1000 * limit), colormap)
    bar = figure.colorbar(scale, ax=row, shrink=0.9, aspect=12, pad=0.02, extend="both")
    bar.ax.tick_params(labelsize=8)
    bar.set_label("← real   fake →", fontsize=8)


SCALE = "colours: thousandths of a logit a pixel, each row on the scale beside it"


def plot_atlas(
    cells: Mapping[tuple[str, str], Cell],
    certificates: Mapping[tuple[str, str], str],
    title: str,
    colormap: str,
    opacity: float,
    path: Path,
) -> None:
    """Mean heatmaps: a row a method, a column an outcome, over the mean faces.

    The dashed line is where half of the cell's masks end.
    """
    methods = sorted({method for method, _ in cells}, key=lambda m: (m != "real", m))
    figure, panels = plt.subplots(
        len(methods),
        2 * len(OUTCOMES),
        figsize=(9.6, 2.45 * len(methods) + 0.8),
        layout="constrained",
        squeeze=False,
    )
    for row, method in zip(panels, methods, strict=True):
        row[0].set_ylabel(method, fontsize=11)
        own = [cell for (name, _), cell in cells.items() if name == method]
        # A cell of few frames is noisy and strong: it must not set the row's scale.
        limit = shared_limit([max(own, key=lambda cell: cell.frames).mean_map()])
        for (left, right), outcome in zip(row.reshape(-1, 2), OUTCOMES, strict=True):
            for axes in (left, right):
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            cell = cells.get((method, outcome))
            if cell is None:
                left.set_title(f"{outcome}: none", fontsize=9, loc="left", color="grey")
                continue
            face = cell.mean_face()
            left.imshow(face)
            right.imshow(overlay(cell.mean_map(), face, limit, colormap, opacity))
            if cell.mask.any():
                right.contour(
                    cell.mean_mask(),
                    [0.5],
                    colors="black",
                    linestyles="--",
                    linewidths=0.9,
                )
            left.set_title(certificates[method, outcome], fontsize=9, loc="left")
        _colour_bar(figure, row, limit, colormap)
    figure.suptitle(f"{title}\n{SCALE}", fontsize=11)
    save(figure, path)


def plot_gallery(
    examples: Mapping[str, Sequence[Frame]],
    title: str,
    colormap: str,
    opacity: float,
    path: Path,
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
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=9)
        limit = shared_limit([frame.map for frame in frames])
        for (left, right), frame in zip(row.reshape(-1, 2), frames, strict=False):
            left.imshow(frame.crop)
            right.imshow(overlay(frame.map, frame.crop, limit, colormap, opacity))
            if frame.mask.any():
                right.contour(
                    frame.mask, [0.5], colors="black", linestyles="--", linewidths=0.8
                )
            chance = float(probability(frame.row["logit"]))
            error = frame.row["completeness_error"]
            method, name = frame.row["video"].split("/")[-2:]
            for axes, words in (
                (left, f"{method} {name}\nfake: {chance:.1%}"),
                (right, f"completeness\nerror {error:.1%}"),
            ):
                axes.set_title(words, fontsize=8, loc="left")
        _colour_bar(figure, row, limit, colormap)
    figure.suptitle(f"{title}\n{SCALE}", fontsize=11)
    save(figure, path)
