"""The tables of an atlas, and the captions of its cells."""

import pandas as pd

from pipeline.atlases.arrays import CELL
from pipeline.attributions.completeness import FLOOR
from pipeline.files.figures import counted


def cell_table(frames: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: counts, mean logits, and how complete the maps are.

    `explained_share` is the part of the mean change of the logit that the cell's mean
    map adds up to, with `mean_lost`, what registration has put beside the map: its
    certificate. 1 is complete; NaN where the change is too small to be shared out.
    """
    every = pd.concat([frames, frames.assign(outcome="all")])
    every = every.assign(change=every["logit"] - every["baseline_logit"])
    cells = every.groupby(CELL, as_index=False).agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        mean_logit=("logit", "mean"),
        mean_baseline_logit=("baseline_logit", "mean"),
        mean_change=("change", "mean"),
        mean_attribution_sum=("attribution_sum", "mean"),
        mean_lost=("lost", "mean"),
        median_completeness_error=("completeness_error", "median"),
        largest_completeness_error=("completeness_error", "max"),
        converged_share=("converged", "mean"),
        mean_steps=("steps", "mean"),
    )
    of_map = cells["mean_attribution_sum"] - cells["mean_lost"]
    change = cells["mean_change"]
    share = of_map / change.where(change.abs() >= FLOOR)
    return cells.assign(explained_share=share)


def certificates(summary: pd.DataFrame) -> dict[tuple, str]:
    """What stands above each cell: counts, and the share of the logit explained."""
    return {
        (c.dataset, c.compression, c.method, c.outcome): (
            f"{c.outcome}: {counted(c.frames, 'frame')}, {counted(c.videos, 'video')}"
            f"{given_up(c.frames, c.converged_share)}\n"
            f"sum {c.mean_attribution_sum - c.mean_lost:+.2f} of "
            f"{c.mean_change:+.2f} logits{beside(c.mean_lost)}"
        )
        for c in summary.itertuples()
    }


def given_up(frames: int, converged_share: float) -> str:
    """How many frames' maps miss the tolerance, if any do."""
    count = round(frames * (1 - converged_share))
    return f", {count} not converged" if count else ""


def beside(lost: float) -> str:
    """What of a map lies beside the picture, if it can be seen in the sum."""
    return f" ({lost:+.2f} outside)" if abs(lost) >= 0.005 else ""
