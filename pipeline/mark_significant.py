"""Test all differences of the run's atlases together (rule `mark_significant`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.differences import Detector, mark_differences, write_squares
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]  # of each baseline, and for it of each detector
    table: Path
    squares: Path
    detectors: Annotated[list[dict[str, str]], Json]
    baselines: str  # their names, with a space between


def main(args: Arguments) -> None:
    detectors = [Detector(**names) for names in args.detectors]
    baselines = args.baselines.split()
    keys = [(detector, baseline) for baseline in baselines for detector in detectors]
    cells = dict(zip(keys, map(read_cells, args.arrays), strict=True))
    table, squares = mark_differences(cells)
    write_squares(args.squares, squares)
    write_csv(table, args.table)


if __name__ == "__main__":
    run(main, Arguments)
