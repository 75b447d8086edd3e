"""Reduce one model's attributions to an atlas' arrays (rule `sum_attributions`)."""

import logging

from pipeline.atlases.arrays import write_cells, write_sample
from pipeline.atlases.ledger import ledger
from pipeline.atlases.mask_agreement import agreement_table
from pipeline.atlases.reduction import GRID, cell_arrays, sum_shards, with_all_outcomes
from pipeline.atlases.regions import USUAL_POINTS, region_grid
from pipeline.atlases.tables import cell_table
from pipeline.attributions.references import References
from pipeline.files.tables import write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)

TABLES = ["frames", "cells", "regions", "masks"]


def main() -> None:
    args = parse(
        __doc__,
        files=[
            *("attributions*", "faces*", "references", "points"),
            *("arrays", "sample", *TABLES),
        ],
        texts=["detector", "margin", "resamples", "seed"],
    )
    threshold = read_points(args.points)["frame"].threshold
    seed = int(args.seed)
    with References(args.references) as references:
        prior = references.mean_mask
    grid = min(len(prior), GRID)
    regions = region_grid(grid, float(args.margin), USUAL_POINTS[args.detector])
    shards = (args.attributions, args.faces)
    found = sum_shards(*shards, prior, threshold, regions, seed)
    if not found.cells:
        raise StepError(
            f"{args.frames}: no face was found in the test split, so that nothing was "
            "explained: its contact sheets (faces/*.png) say why"
        )
    cells = with_all_outcomes(found.cells)
    write_cells(args.arrays, cell_arrays(cells), {"seed": seed})
    places = found.frames.reset_index(names="frame")[["shard", "crop", "frame"]]
    rows = found.sampled.merge(places, on=["shard", "crop"], how="left")
    write_sample(args.sample, found.sample, rows)
    write_csv(found.frames, args.frames)
    write_csv(cell_table(found.frames), args.cells)
    write_csv(ledger(cells, regions), args.regions)
    agreement = agreement_table(found.scores, int(args.resamples), seed)
    write_csv(agreement, args.masks)
    log.info("%d frames, %d cells", len(found.frames), len(cells))


if __name__ == "__main__":
    run(main)
