"""Test all differences of the run's atlases together (rule `mark_significant`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.differences import Detector, significance_table
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]  # of each baseline, and for it of each detector
    table: Path
    detectors: Annotated[list[dict[str, str]], Json]
    baselines: str  # their names, with a space between


def main(args: Arguments) -> None:
    detectors = [Detector(**names) for names in args.detectors]
    baselines = args.baselines.split()
    keys = [(detector, baseline) for baseline in baselines for detector in detectors]
    cells = dict(zip(keys, map(read_cells, args.arrays), strict=True))
    write_csv(significance_table(cells), args.table)


if __name__ == "__main__":
    run(main, Arguments)
