"""Draw the training history of a model."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from pipeline.files.figures import COLOURS, save
from pipeline.models.history import kept_epoch

MARKERS = ("o", "s")  # of a panel's first and second curve


def plot_history(history: pd.DataFrame, title: str, path: Path) -> None:
    """Draw loss, validation AUC and learning rate over epochs, and mark the kept epoch.

    `history` has one row per epoch. Weights that were not trained have a row of epoch
    0, in which the training loss is NaN.
    """
    figure, panels = plt.subplots(
        1, 3, figsize=(10.5, 3.2), width_ratios=(4, 4, 2.4), layout="constrained"
    )
    curves = (
        {"train_loss": "training", "val_loss": "validation"},
        {"val_frame_auc": "by frame", "val_video_auc": "by video"},
        {"learning_rate": ""},
    )
    names = ("binary cross-entropy", "validation AUC", "learning rate")
    kept, epochs = kept_epoch(history), history["epoch"]
    for axes, labels, name in zip(panels, curves, names, strict=True):
        pens = zip(labels.items(), COLOURS[1:], MARKERS, strict=False)
        for (column, label), colour, marker in pens:
            values = history[column]
            axes.plot(
                epochs, values, "-", color=colour, marker=marker, ms=4, label=label
            )
        axes.axvline(kept, color="grey", lw=0.8, zorder=0, label=f"kept: epoch {kept}")
        axes.set(xlabel="epoch", xlim=(epochs.min() - 0.5, epochs.max() + 0.5))
        axes.set_title(name, fontsize=10)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    panels[0].set(ylim=(0, None))
    panels[1].set(ylim=(None, 1.01))
    panels[2].set(ylim=(0, None))
    panels[2].ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    for axes in panels[:2]:
        axes.legend(frameon=False, fontsize=9)
    figure.suptitle(title)
    save(figure, path)
