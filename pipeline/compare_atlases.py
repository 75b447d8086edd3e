"""Tabulate where the mean maps of two detectors differ (rule `compare_atlases`)."""

import json

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.model_comparison import difference_table, differences
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["arrays*", "table"], texts=["detectors"])
    names = [f"{d['model']}/{d['protocol']}" for d in json.loads(args.detectors)]
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    write_csv(difference_table(differences(cells)), args.table)


if __name__ == "__main__":
    run(main)
