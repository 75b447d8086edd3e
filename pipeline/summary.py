"""What a finished run says: the figures in a few lines, and where to look."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd


def summarize(results: Path, models: Iterable[str]) -> str:
    """A short text about the run in `results`; models without metrics are left out."""
    lines = []
    for model in models:
        file = results / "metrics" / model / "metrics.csv"
        if not file.is_file():
            continue
        table = pd.read_csv(file)
        auc = table[(table["level"] == "video") & (table["metric"] == "auc")]
        whole = auc[auc["method"] == "all"].iloc[0]
        each = ", ".join(
            f"{row.method} {row.value:.3f}"
            for row in auc[auc["method"] != "all"].itertuples()
        )
        lines.append(
            f"{model}: video AUC {whole.value:.3f} (95 % interval {whole.low:.3f} to "
            f"{whole.high:.3f}; {each})"
        )
    folders = {
        "atlases": "heatmap atlases and galleries of each model",
        "metrics": "metrics, ROC curves and score distributions",
        "predictions": "the logit of every frame and video",
        "faces/summary.csv": "what became of every video",
    }
    for name, what in folders.items():
        if (results / name).exists():
            lines.append(f"{results / name}: {what}")
    return "\n".join(lines)
