"""Figures of a detector's predictions over frames and over videos."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.stats import norm
from sklearn.metrics import (
    average_precision_score,
    det_curve,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from pipeline.files.figures import (
    COLOURS,
    LEGEND_STYLE,
    legend_below,
    line_styles,
    save,
)
from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.resampled_scores import (
    CALIBRATION_BINS,
    at_even_odds,
    calibration_bins,
    calibration_error,
)
from pipeline.metrics.scores import equal_error_rate
from pipeline.metrics.slices import by_method
from pipeline.models.predictions import probability
from pipeline.videos.table import REAL

DET_TICKS = np.array([1e-4, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
MAX_DET_RATE = 0.9  # highest error rate shown
RATE_LIMITS = (-0.02, 1.02)  # of axes that show rates

Curve = tuple[str, pd.DataFrame, dict[str, Any]]  # method, rows, pen


def _curves(items: pd.DataFrame) -> Iterator[Curve]:
    """Yield the method, the rows and the pen of each curve, `all` methods first."""
    for (method, rows), pen in zip(
        by_method(items).items(), line_styles(), strict=False
    ):
        yield method, rows, pen


def _heading(level: str, items: pd.DataFrame) -> str:
    fakes = int(items["label"].sum())
    return f"by {level}: {len(items) - fakes} real, {fakes} fake"


def _square_panels(levels: dict[str, pd.DataFrame]) -> tuple[Figure, np.ndarray]:
    """A figure with one panel per level, and space for two-column legends below."""
    lines = max(items["method"].nunique() for items in levels.values()) / 2
    return plt.subplots(
        nrows=1,
        ncols=len(levels),
        figsize=(4.6 * len(levels), 4.8 + 0.2 * lines),
        squeeze=False,
        layout="constrained",
    )


def _label(axes: Axes, level: str, items: pd.DataFrame, legend: str) -> None:
    """Add a heading, a grid and a legend with the title `legend` to a panel."""
    axes.set_title(_heading(level, items), fontsize=10)
    axes.grid(color="0.92")
    legend_below(axes, legend)


def plot_roc(levels: dict[str, pd.DataFrame], title: str, path: Path) -> None:
    """Draw the ROC curves of each method's fakes against all real items.

    `levels` has a table for each level (frame, video), with the columns label, method
    and logit. Each level has a row of two panels. The right panel shows the same curves
    on a logarithmic axis of false positive rates, down to one real item.
    """
    figure, panels = plt.subplots(
        len(levels),
        2,
        figsize=(9.4, 4 * len(levels)),
        squeeze=False,
        layout="constrained",
    )
    for (axes, log_axes), (level, items) in zip(panels, levels.items(), strict=True):
        lowest = 1 / max(2, (items["label"] == 0).sum())
        for method, part, pen in _curves(items):
            x, y, _ = roc_curve(part["label"], part["logit"], drop_intermediate=False)
            area = roc_auc_score(part["label"], part["logit"])
            axes.plot(x, y, **pen)
            # Steps, because a logarithmic axis would bend lines between the points.
            log_axes.plot(
                np.maximum(x, lowest / 2),
                y,
                drawstyle="steps-post",
                label=f"{method} {area:.3f}",
                **pen,
            )
        for panel, start in ((axes, 0), (log_axes, lowest)):
            chance = np.linspace(start, 1, 500)  # the curve of random scores
            panel.plot(chance, chance, ":", color="grey", lw=1, zorder=0)
            panel.set(xlabel="false positive rate", ylim=RATE_LIMITS)
            panel.grid(color="0.92")
        axes.set(xlim=RATE_LIMITS, aspect="equal", ylabel="true positive rate")
        axes.set_title(_heading(level, items), fontsize=10)
        log_axes.set(xscale="log", xlim=(lowest, 1), box_aspect=1)
        log_axes.set_title("the same, down to one real item", fontsize=10)
        steps = (1.0,) if lowest < 0.02 else (1.0, 2.0, 5.0)
        log_axes.xaxis.set_major_locator(LogLocator(subs=steps))
        log_axes.xaxis.set_major_formatter("{x:g}")
        log_axes.xaxis.set_minor_formatter(NullFormatter())
        log_axes.legend(
            title="AUC", bbox_to_anchor=(1, 1), loc="upper left", **LEGEND_STYLE
        )
    figure.suptitle(title)
    save(figure, path)


def plot_precision_recall(
    levels: dict[str, pd.DataFrame], title: str, path: Path
) -> None:
    """Draw precision over recall of each method's fakes among all real items.

    Dotted lines show the precision of calling every item fake. It depends on a slice's
    share of fakes, and so do all precisions. `levels` is as for `plot_roc`.
    """
    figure, panels = _square_panels(levels)
    for axes, (level, items) in zip(panels[0], levels.items(), strict=True):
        for method, part, pen in _curves(items):
            label, logit = part["label"], part["logit"]
            precision, recall, _ = precision_recall_curve(label, logit)
            name = f"{method} {average_precision_score(label, logit):.3f}"
            axes.plot(recall, precision, drawstyle="steps-post", label=name, **pen)
            axes.axhline(label.mean(), ls=":", lw=0.8, color="grey", zorder=0)
        axes.set(xlim=RATE_LIMITS, ylim=RATE_LIMITS, aspect="equal")
        axes.set(xlabel="recall: share of fakes found", ylabel="precision")
        _label(axes, level, items, "average precision (dotted: all called fake)")
    figure.suptitle(title)
    save(figure, path)


def plot_det(levels: dict[str, pd.DataFrame], title: str, path: Path) -> None:
    """Draw misses over false alarms on normal-deviate axes (a DET curve).

    Such axes cannot show a rate of 0. It is drawn at half an item: the curve of a
    detector without mistakes runs along the edges. `levels` is as for `plot_roc`.
    """
    figure, panels = _square_panels(levels)
    for axes, (level, items) in zip(panels[0], levels.items(), strict=True):
        lowest = []
        for method, part, pen in _curves(items):
            label, logit = part["label"].to_numpy(), part["logit"].to_numpy(float)
            alarms, misses, _ = det_curve(label, logit)
            x, bottom = _deviates(np.r_[1, alarms, 0], (label == 0).sum())
            y, left = _deviates(np.r_[0, misses, 1], (label == 1).sum())
            lowest += [bottom, left]
            name = f"{method} {equal_error_rate(label, logit):.3f}"
            axes.plot(x, y, label=name, **pen)
        low_rate = min(lowest)
        low, high = norm.ppf(low_rate), norm.ppf(MAX_DET_RATE)
        axes.axline((0, 0), slope=1, ls=":", color="grey", lw=1, zorder=0)
        ticks = DET_TICKS[low_rate <= DET_TICKS]
        names = [f"{100 * tick:g}" for tick in ticks]
        axes.set_xticks(norm.ppf(ticks), names, fontsize=8)
        axes.set_yticks(norm.ppf(ticks), names, fontsize=8)
        edge = 0.03 * (high - low)
        axes.set(xlim=(low - edge, high), ylim=(low - edge, high), aspect="equal")
        axes.set(xlabel="false alarms, % of real", ylabel="misses, % of fakes")
        _label(
            axes, level, items, "equal error rate (where a curve meets the dotted line)"
        )
    figure.suptitle(title)
    save(figure, path)


def _deviates(rates: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Normal deviates of error rates of `count` items, and the rate of half an item."""
    half = 0.5 / count
    return norm.ppf(np.clip(rates, half, 1 - half)), half


def plot_reliability(
    levels: dict[str, pd.DataFrame],
    points: dict[str, OperatingPoint],
    title: str,
    path: Path,
) -> None:
    """Draw the share of fakes over the mean probability, in equal bins.

    One curve is without and one with temperature scaling. Real and fake items weigh the
    same (`at_even_odds`). The panel below counts the items of each bin. `points` has an
    operating point for each level of `levels`, which is as for `plot_roc`.
    """
    figure, panels = plt.subplots(
        2,
        len(levels),
        figsize=(4.6 * len(levels), 5.6),
        height_ratios=(4, 1),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    for (axes, strip), (level, items) in zip(panels.T, levels.items(), strict=True):
        label, logit = items["label"].to_numpy(), items["logit"].to_numpy(float)
        chosen = points[level].temperature
        plain_pen = {"color": COLOURS[2], "ls": "--", "marker": "s"}
        scaled_pen = {"color": COLOURS[1], "ls": "-", "marker": "o"}
        for name, temperature, pen in (
            ("as it is", 1.0, plain_pen),
            (f"temperature {chosen:.3g}", chosen, scaled_pen),
        ):
            chance = probability(logit / temperature)
            weights = at_even_odds(label, np.ones((1, len(label))))
            error = calibration_error(label, chance, weights)[0]
            bins = calibration_bins(chance)
            columns = {"p": chance, "fake": label, "weight": np.ones(len(label))}
            found = pd.DataFrame(columns).mul(weights[0], axis=0).groupby(bins).sum()
            found = found.div(found["weight"], axis=0)
            text = f"{name}: {error:.3f}"
            axes.plot(found["p"], found["fake"], ms=4.5, lw=1.2, label=text, **pen)
            counts = np.bincount(bins, minlength=CALIBRATION_BINS)
            style = {"color": pen["color"], "ls": pen["ls"], "lw": 1.2}
            strip.stairs(counts, edges, baseline=None, **style)
        axes.plot([0, 1], [0, 1], ":", color="grey", lw=1, zorder=0)
        axes.set(xlim=RATE_LIMITS, ylim=RATE_LIMITS, ylabel="share of fakes")
        axes.set_title(_heading(level, items), fontsize=10)
        axes.legend(title="calibration error", loc="lower right", **LEGEND_STYLE)
        axes.grid(color="0.92")
        strip.set(xlabel="probability of fake", ylabel=f"{level}s", yscale="log")
        strip.set(ylim=(0.7, 2 * len(items)))
        strip.yaxis.set_major_formatter("{x:g}")
        strip.yaxis.set_minor_formatter(NullFormatter())
    figure.suptitle(title)
    save(figure, path)


def plot_scores(videos: pd.DataFrame, threshold: float, title: str, path: Path) -> None:
    """Draw the logit of every video, with one row per method, and the threshold.

    Real videos are in the first row. `videos` has the columns method and logit.
    Horizontal position is the logit; a random vertical offset keeps dots apart.
    """
    methods = sorted(videos["method"].unique(), key=lambda name: (name != REAL, name))
    figure, axes = plt.subplots(
        figsize=(7.5, 0.6 * len(methods) + 1.4), layout="constrained"
    )
    rng = np.random.default_rng(0)
    for row, method in enumerate(methods):
        logits = videos.loc[videos["method"] == method, "logit"]
        heights = row + rng.uniform(-0.22, 0.22, len(logits))
        colour = COLOURS[1] if method == REAL else COLOURS[2]
        axes.scatter(logits, heights, s=22, color=colour, alpha=0.75, lw=0)
        axes.plot([logits.median()] * 2, [row - 0.33, row + 0.33], color="black", lw=2)
    axes.axvline(threshold, color="grey", lw=1, ls="--", zorder=0)
    axes.annotate(
        f"threshold {threshold:.2f}",
        (threshold, 1),
        (0, 3),  # points above the frame
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
    axes.set(
        yticks=range(len(methods)),
        yticklabels=methods,
        ylim=(len(methods) - 0.5, -0.5),
        xlabel="← real      mean logit of the video's frames      fake →",
    )
    axes.set_title(title, pad=18)
    save(figure, path)
