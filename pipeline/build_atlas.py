"""Aggregate one model's attributions into atlases (rule `build_atlas`)."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pipeline.atlas import (
    Cell,
    Frame,
    agreement_table,
    cell_table,
    explained_frames,
    likeness,
    pick_examples,
    sum_cells,
)
from pipeline.atomic import replacing, write_csv
from pipeline.calibration import read_points
from pipeline.command_line import log, parse, run
from pipeline.config.atlases import AtlasesConfig
from pipeline.errors import StepError
from pipeline.overlays import plot_atlas, plot_gallery


def main() -> None:
    args = parse(
        __doc__,
        files=[
            "attributions*",
            "faces*",
            "atlas",
            "gallery",
            "arrays",
            "cells",
            "masks",
            "points",
        ],
        texts=["title", "config"],
    )
    config = AtlasesConfig.model_validate_json(args.config)
    threshold = read_points(args.points)["frame"].threshold
    source = (args.attributions, args.faces, threshold)
    cells, table = sum_cells(explained_frames(*source))
    if not cells:
        raise StepError("no test frame was explained: see faces/summary.csv for why")
    look = {"colormap": config.colormap, "opacity": config.opacity}
    summary, agreement = cell_table(table), agreement_table(table)
    write_csv(summary, args.cells)
    write_csv(agreement, args.masks)
    write_arrays(cells, args.arrays)
    title = f"{args.title}: mean attribution of the fake logit"
    plot_atlas(cells, certificates(summary), title, **look, path=args.atlas)
    typical = pd.Series(
        [
            likeness(f.map, cells[f.row["method"], f.row["outcome"]].map)
            for f in explained_frames(*source)
        ]
    )
    chosen = pick_examples(table, typical, config.gallery)
    wanted = {index for rows in chosen.values() for index in rows.index}
    found: dict[int, Frame] = {
        i: f for i, f in enumerate(explained_frames(*source)) if i in wanted
    }
    examples = {name: [found[i] for i in rows.index] for name, rows in chosen.items()}
    title = f"{args.title}: attribution of the fake logit, frame by frame"
    plot_gallery(examples, title, **look, path=args.gallery)
    log.info("\n%s", agreement.round(3).to_string(index=False))


def certificates(summary: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What stands above each cell: counts, and the share of the logit explained."""
    return {
        (c.method, c.outcome): f"{c.outcome}: {c.frames} frames, {c.videos} videos\n"
        f"sum {c.mean_attribution_sum:+.2f} of {c.mean_change:+.2f} logits"
        for c in summary.itertuples()
    }


def write_arrays(cells: Mapping[tuple[str, str], Cell], path: Path) -> None:
    """The arrays behind the atlas: a group <method>/<outcome> a cell."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        for (method, outcome), cell in cells.items():
            group = file.create_group(f"{method}/{outcome}")
            group.attrs["frames"] = cell.frames
            group["mean_map"] = cell.mean_map().astype(np.float32)
            group["mean_face"] = cell.mean_face()
            group["mean_mask"] = cell.mean_mask().astype(np.float32)


if __name__ == "__main__":
    run(main)
