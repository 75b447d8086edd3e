"""List where the mean maps of two detectors differ (rule `compare_atlases`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.model_comparison import difference_table, differences
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]
    table: Path
    detectors: Annotated[list[dict[str, str]], Json]


def main(args: Arguments) -> None:
    names = [f"{d['model']}/{d['protocol']}" for d in args.detectors]
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    write_csv(difference_table(differences(cells)), args.table)


if __name__ == "__main__":
    run(main, Arguments)
