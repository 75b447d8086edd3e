"""The video metrics of all detectors as a Markdown table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.metrics.slices import SLICE_KEYS

OVERVIEW_METRICS = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_1": "TPR at FPR 1 %",
    "tpr_at_fpr_10": "TPR at FPR 10 %",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
    "ece_calibrated": "ECE after temperature scaling",
}

EXPLANATION = """\
Metrics over the videos of the test set, one row per detector and part of the test set.
In brackets: 95 % intervals, from a bootstrap over units (persons whose videos depend on
each other, such as a pair). With fewer than 8 units there is no interval. Calibration
errors (ECE) weigh real and fake videos evenly, and have no interval.
"""


FINISHED_EXPLANATION = """\

## Finished detectors

These detectors were not trained in this run: each was given as a file, which says what
it was trained on.
"""
FINISHED_COLUMNS = (
    *("model", "network", "data sets", "methods", "compressions", "file", "SHA-256"),
)


def overview(videos: pd.DataFrame, finished: Sequence[Sequence[str]] = ()) -> str:
    """The video metrics as Markdown, with one row per detector and slice.

    `videos` has tidy metrics, with the columns model, protocol, dataset, compression,
    method, metric, value, low, high, real, fake and units. `finished` has
    FINISHED_COLUMNS for each finished detector.
    """
    keys = ["model", "protocol", *SLICE_KEYS]
    lines = _head([*keys, "real", "fake", "units", *OVERVIEW_METRICS.values()])
    for names, part in videos.groupby(keys, sort=False):
        metrics = part.set_index("metric")
        cells = [
            f"{row.value:.3f} ({_between(row.low, row.high)})"
            for row in metrics.loc[list(OVERVIEW_METRICS)].itertuples()
        ]
        counts = [str(metrics[column].iloc[0]) for column in ("real", "fake", "units")]
        lines.append(f"| {' | '.join([*names, *counts, *cells])} |")
    if finished:
        lines += [FINISHED_EXPLANATION, *_head(FINISHED_COLUMNS)]
        lines += [f"| {' | '.join(row)} |" for row in finished]
    return "\n".join([EXPLANATION, *lines]) + "\n"


def _between(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if np.isfinite(low + high) else "no interval"


def _head(columns: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
