"""Draw where the mean maps of two detectors differ (rule `draw_comparison`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.comparison_figure import plot_differences
from pipeline.atlases.model_comparison import differences
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]
    figure: Path
    detectors: Annotated[list[dict[str, str]], Json]
    config: AtlasesConfig


def main(args: Arguments) -> None:
    names = [f"{d['model']}/{d['protocol']}" for d in args.detectors]
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    look = Look(args.config.colormap, args.config.opacity)
    plot_differences(differences(cells), look, args.figure)


if __name__ == "__main__":
    run(main, Arguments)
