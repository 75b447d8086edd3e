"""Draw one model's atlases and galleries from their arrays (rule `build_atlas`)."""

import numpy as np
import pandas as pd

from pipeline.atlas_arrays import CELL, read_cells, read_sample
from pipeline.command_line import parse, run
from pipeline.config.atlases import AtlasesConfig
from pipeline.figures import counted
from pipeline.gallery_frames import likeness, pick_examples, read_frames
from pipeline.overlays import (
    Look,
    plot_atlas,
    plot_gallery,
    plot_ledger,
    plot_statistics,
)
from pipeline.tables import read_csv

PICTURES = ["atlas", "statistics", "ledger", "gallery"]
TABLES = ["arrays", "sample", "frames", "cells", "regions"]


def main() -> None:
    args = parse(
        __doc__,
        files=["attributions*", "faces*", *TABLES, *PICTURES],
        texts=["title", "config"],
    )
    config = AtlasesConfig.model_validate_json(args.config)
    look = Look(config.colormap, config.opacity)
    cells, summary = read_cells(args.arrays), read_csv(args.cells)
    start = np.average(summary["mean_baseline_logit"], weights=summary["frames"])
    title = (
        f"{args.title}: mean attribution of the fake logit\n"
        f"the baselines' own mean logit is {start:+.1f}: see baselines.png first"
    )
    plot_atlas(cells, certificates(summary), title, look, args.atlas)
    plot_statistics(cells, f"{args.title}: statistics of maps", look, args.statistics)
    title = f"{args.title}: what each region adds to the logit"
    plot_ledger(read_csv(args.regions), title, look, args.ledger)
    frames = read_csv(args.frames)
    chosen = pick_examples(frames, typical_of(args.sample, cells), config.gallery)
    examples = {
        name: read_frames(rows, args.attributions, args.faces)
        for name, rows in chosen.items()
    }
    title = f"{args.title}: attribution of the fake logit, frame by frame"
    plot_gallery(examples, title, look, args.gallery)


def typical_of(sample: object, cells: list) -> pd.Series:
    """How like its cell's mean map each sampled map is, by the row of its frame."""
    maps, rows = read_sample(sample)
    mean = {tuple(getattr(c, key) for key in CELL): c.pooled for c in cells}
    keys = rows[CELL].itertuples(index=False, name=None)
    values = [likeness(m, mean[key]) for m, key in zip(maps, keys, strict=True)]
    return pd.Series(values, index=rows["frame"], dtype=float)


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


if __name__ == "__main__":
    run(main)
