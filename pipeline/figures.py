"""Figures of training and of predictions."""

from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from pipeline.atomic import replacing
from pipeline.prediction import by_method

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the date that would change its bytes."""
    with replacing(path) as part:
        figure.savefig(part, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def plot_history(history: pd.DataFrame, title: str, path: Path) -> None:
    """Loss and validation AUC over epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, colour in (("train_loss", COLOURS[1]), ("val_loss", COLOURS[2])):
        left.plot(history["epoch"], history[name], "o-", color=colour, label=name)
    for name, colour in (("val_frame_auc", COLOURS[1]), ("val_video_auc", COLOURS[2])):
        right.plot(history["epoch"], history[name], "o-", color=colour, label=name)
    left.set(xlabel="epoch", ylabel="binary cross-entropy", ylim=(0, None))
    right.set(xlabel="epoch", ylabel="AUC", ylim=(None, 1.01))
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    save(figure, path)


def plot_roc(levels: dict[str, pd.DataFrame], title: str, path: Path) -> None:
    """ROC curves of each method against the real items, a panel a level."""
    figure, panels = plt.subplots(
        1, len(levels), figsize=(4.4 * len(levels), 4.2), layout="constrained"
    )
    for axes, (level, items) in zip(np.atleast_1d(panels), levels.items(), strict=True):
        real = items["label"] == 0
        slices = by_method(items).items()
        for (method, part), colour in zip(slices, cycle(COLOURS), strict=False):
            x, y, _ = roc_curve(part["label"], part["logit"])
            axes.plot(
                x, y, color=colour, label=method, lw=2.4 if method == "all" else 1.4
            )
        axes.plot([0, 1], [0, 1], ":", color="grey", lw=1)
        axes.set(
            xlabel="real taken for fake",
            ylabel="fakes found",
            title=f"by {level} ({real.sum()} real, {(~real).sum()} fake)",
            aspect="equal",
        )
        axes.legend(frameon=False, loc="lower right")
    figure.suptitle(title)
    save(figure, path)


def plot_scores(videos: pd.DataFrame, title: str, path: Path) -> None:
    """Every video's logit, a row a method, real videos first."""
    methods = sorted(videos["method"].unique(), key=lambda m: (m != "real", m))
    figure, axes = plt.subplots(
        figsize=(7.5, 0.6 * len(methods) + 1.4), layout="constrained"
    )
    rng = np.random.default_rng(0)
    for row, method in enumerate(methods):
        logits = videos.loc[videos.method == method, "logit"]
        spread = row + rng.uniform(-0.22, 0.22, len(logits))
        colour = COLOURS[1] if method == "real" else COLOURS[2]
        axes.scatter(logits, spread, s=22, color=colour, alpha=0.75, lw=0)
        axes.plot([logits.median()] * 2, [row - 0.33, row + 0.33], color="black", lw=2)
    axes.axvline(0, color="grey", lw=1, ls=":")
    axes.set(
        yticks=range(len(methods)),
        yticklabels=methods,
        xlabel="← real      mean logit of the video's frames      fake →",
        title=title,
    )
    axes.invert_yaxis()
    save(figure, path)
