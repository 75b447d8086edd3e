"""Draw where the mean maps of two detectors differ (rule `draw_comparison`)."""

import json

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.model_comparison import differences, plot_differences
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["arrays*", "figure"], texts=["detectors", "config"])
    config = AtlasesConfig.model_validate_json(args.config)
    names = [f"{d['model']}/{d['protocol']}" for d in json.loads(args.detectors)]
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    look = Look(config.colormap, config.opacity)
    plot_differences(differences(cells), look, args.figure)


if __name__ == "__main__":
    run(main)
