"""Draw the training history of a model."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from pipeline.files.figures import COLOURS, save
from pipeline.models.history import kept_epoch


def plot_history(history: pd.DataFrame, title: str, path: Path) -> None:
    """Loss, validation AUC and learning rate over epochs, with the kept epoch marked.

    `history` has one row an epoch. A row of epoch 0, with NaN for the training loss, is
    of weights taken as they are.
    """
    figure, panels = plt.subplots(
        1, 3, figsize=(10.5, 3.2), width_ratios=(4, 4, 2.4), layout="constrained"
    )
    drawn = (
        {"train_loss": "training", "val_loss": "validation"},
        {"val_frame_auc": "by frame", "val_video_auc": "by video"},
        {"learning_rate": ""},
    )
    names = ("binary cross-entropy", "validation AUC", "learning rate")
    kept, epochs = kept_epoch(history), history["epoch"]
    for axes, lines, name in zip(panels, drawn, names, strict=True):
        for (column, label), colour in zip(lines.items(), COLOURS[1:], strict=False):
            mark = {"marker": "os"[colour == COLOURS[2]], "ms": 4, "label": label}
            axes.plot(epochs, history[column], "-", color=colour, **mark)
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
