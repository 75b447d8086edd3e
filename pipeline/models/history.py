"""The training history of a model."""

import pandas as pd


def kept_epoch(history: pd.DataFrame) -> int:
    """The epoch whose weights are kept: highest video AUC, then lowest loss."""
    keys = ["val_video_auc", "val_loss"]
    ranked = history.sort_values(keys, ascending=[False, True], kind="stable")
    return int(ranked["epoch"].iloc[0])
