"""The video metrics of all detectors as a Markdown table."""

import pandas as pd

from pipeline.metrics.slices import SLICE

OVERVIEW = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR at FPR 1 %",
    "tpr_at_fpr_10": "TPR at FPR 10 %",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
    "ece_calibrated": "ECE, calibrated",
}


def overview(videos: pd.DataFrame) -> str:
    """The video metrics as a Markdown table: a row a detector and slice."""
    key = ["model", "protocol", *SLICE]
    lines = [
        f"| {' | '.join([*key, 'real', 'fake', *OVERVIEW.values()])} |",
        f"|{'---|' * (len(key) + 2 + len(OVERVIEW))}",
    ]
    for names, part in videos.groupby(key, sort=False):
        metrics = part.set_index("metric")
        cells = [
            f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
            for row in metrics.loc[list(OVERVIEW)].itertuples()
        ]
        numbers = [str(metrics[c].iloc[0]) for c in ("real", "fake")]
        lines.append(f"| {' | '.join([*names, *numbers, *cells])} |")
    intro = "By video; in brackets 95 % intervals by bootstrap over target persons.\n"
    return "\n".join([intro, *lines]) + "\n"
