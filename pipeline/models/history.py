"""The training history of a model, and the rule that chooses its best epoch."""

import pandas as pd


def kept_epoch(history: pd.DataFrame) -> int:
    """The epoch whose weights are kept: the best so far.

    The best epoch has the highest AUC over validation videos. If several have it, the
    lowest validation loss decides, and then the earliest epoch. `history` has one row
    per epoch, in order, with the columns epoch, val_video_auc and val_loss.
    """
    keys = ["val_video_auc", "val_loss"]
    ranked = history.sort_values(keys, ascending=[False, True], kind="stable")
    return int(ranked["epoch"].iloc[0])
