"""Where the mean maps of two detectors differ (rule `compare_atlases`)."""

import json

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.model_comparison import (
    difference_table,
    differences,
    plot_differences,
)
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__, files=["arrays*", "table", "figure"], texts=["detectors", "config"]
    )
    config = AtlasesConfig.model_validate_json(args.config)
    look = Look(config.colormap, config.opacity)
    names = [f"{d['model']}/{d['protocol']}" for d in json.loads(args.detectors)]
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    found = differences(cells)
    write_csv(difference_table(found), args.table)
    plot_differences(found, look, args.figure)


if __name__ == "__main__":
    run(main)
