"""Reduce one detector's attributions to an atlas (rule `sum_attributions`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.atlases.arrays import write_cells, write_sample
from pipeline.atlases.ledger import ledger
from pipeline.atlases.mask_agreement import agreement_table
from pipeline.atlases.reduction import (
    MAX_GRID_SIDE,
    cell_arrays,
    sum_shards,
    with_all_outcomes,
)
from pipeline.atlases.regions import (
    moved_region_grids,
    region_grid,
    usual_points,
)
from pipeline.atlases.registration_check import registration_table
from pipeline.atlases.tables import cell_table
from pipeline.attributions.references import References
from pipeline.attributions.shards import AttributionShard
from pipeline.config.baseline_names import ORIGINAL
from pipeline.faces.shards import any_landmarks
from pipeline.files.tables import write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import run
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    # Input files.
    attributions: list[Path]
    faces: list[Path]
    originals: tuple[Path, ...]  # of the shards whose fakes' originals are known
    controls: tuple[Path, ...]  # of the shards on which controls are measured
    references: Path | None
    points: Path
    # Output files.
    arrays: Path
    sample: Path
    frames: Path
    cells: Path
    regions: Path
    masks: Path
    registration: Path

    baseline: str
    margin: float
    resamples: int
    seed: int


def main(args: Arguments) -> None:
    threshold = read_points(args.points)["frame"].threshold
    grid = min(map_side(args.attributions[0]), MAX_GRID_SIDE)
    has_landmarks = any_landmarks(args.faces)
    points = usual_points(has_landmarks)
    regions = region_grid(grid, args.margin, points)
    from_originals = args.baseline == ORIGINAL
    found = sum_shards(
        args.attributions,
        args.faces,
        args.originals,
        args.controls,
        baseline=args.baseline,
        mean_mask=read_mean_mask(args.references),
        threshold=threshold,
        regions=regions,
        seed=args.seed,
    )
    if not found.cells:
        raise StepError(f"{args.frames}: {_why_no_cells(from_originals)}")
    cells = with_all_outcomes(found.cells)
    arrays = cell_arrays(cells)
    write_cells(args.arrays, arrays, {"seed": args.seed})
    places = found.frames.reset_index(names="frame")[["shard", "crop", "frame"]]
    rows = found.sampled.merge(places, on=["shard", "crop"], how="left")
    write_sample(args.sample, found.sample, rows, has_landmarks=has_landmarks)
    write_csv(found.frames, args.frames)
    write_csv(cell_table(found.frames, arrays), args.cells)
    moved = moved_region_grids(grid, args.margin, points)
    write_csv(ledger(cells, regions, moved), args.regions)
    check = registration_table(found.frames, found.frame_sums, cells, regions)
    write_csv(check, args.registration)
    agreement = agreement_table(found.frames, found.scores, args.resamples, args.seed)
    write_csv(agreement, args.masks)
    log.info("%d frames, %d cells", len(found.frames), len(cells))


def _why_no_cells(from_originals: bool) -> str:
    if from_originals:
        return (
            "no test frame has an aligned original. attributions/originals.csv says "
            f"what was found. Remove {ORIGINAL} from attribution.baselines."
        )
    return (
        "no real or fake test frame was explained, because no face was found in the "
        "test split. The contact sheets (faces/*.png) show why."
    )


def map_side(shard: Path) -> int:
    """Side of the maps of an attribution shard in px."""
    with AttributionShard(shard) as maps:
        return maps.maps.shape[1]


def read_mean_mask(references: Path | None) -> np.ndarray | None:
    """The mean mask (S, S) of the training fakes; None if no mask of them is known."""
    if references is None:
        return None
    with References(references) as opened:
        return opened.mean_mask if opened.mean_mask.any() else None


if __name__ == "__main__":
    run(main, Arguments)
