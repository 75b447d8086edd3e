"""Draw where the mean maps of two detectors differ (rule `draw_comparison`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.comparison_figure import plot_differences
from pipeline.atlases.differences import Detector, model_differences, read_threshold
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]
    significance: Path
    figure: Path
    detectors: Annotated[list[dict[str, str]], Json]
    config: AtlasesConfig


def main(args: Arguments) -> None:
    detectors = [Detector(**names) for names in args.detectors]
    cells = dict(zip(detectors, map(read_cells, args.arrays), strict=True))
    plot_differences(
        [one for *_, one in model_differences(cells)],
        read_threshold(read_csv(args.significance)),
        title="mean attributions of two detectors",
        look=Look(args.config.colormap, args.config.opacity),
        path=args.figure,
    )


if __name__ == "__main__":
    run(main, Arguments)
