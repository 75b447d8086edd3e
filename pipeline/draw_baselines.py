"""Draw how the maps depend on the baseline (rule `draw_baselines`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.baseline_figure import plot_baselines
from pipeline.atlases.differences import read_threshold
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import read_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    arrays: list[Path]
    frames: list[Path]
    agreement: Path
    significance: Path
    points: Path
    figure: Path
    names: str  # of the baselines, with a space between
    title: str
    config: AtlasesConfig


def main(args: Arguments) -> None:
    names = args.names.split()
    plot_baselines(
        cells=dict(zip(names, map(read_cells, args.arrays), strict=True)),
        frames=dict(zip(names, map(read_csv, args.frames), strict=True)),
        agreement=read_csv(args.agreement),
        joint_threshold=read_threshold(read_csv(args.significance)),
        threshold=read_points(args.points)["frame"].threshold,
        title=f"{args.title}: what the choice of the baseline changes",
        look=Look(args.config.colormap, args.config.opacity),
        path=args.figure,
    )


if __name__ == "__main__":
    run(main, Arguments)
