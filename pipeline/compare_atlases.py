"""Compare the mean maps of detectors (rule `compare_atlases`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.differences import (
    Detector,
    comparison_table,
    model_differences,
    read_threshold,
)
from pipeline.files.tables import read_csv, write_csv
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]
    significance: Path
    table: Path
    detectors: Annotated[list[dict[str, str]], Json]


def main(args: Arguments) -> None:
    detectors = [Detector(**names) for names in args.detectors]
    cells = dict(zip(detectors, map(read_cells, args.arrays), strict=True))
    threshold = read_threshold(read_csv(args.significance))
    write_csv(comparison_table(model_differences(cells), threshold), args.table)


if __name__ == "__main__":
    run(main, Arguments)
