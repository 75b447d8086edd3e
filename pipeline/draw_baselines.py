"""Draw what the choice of the baseline changes (rule `draw_baselines`)."""

from pipeline.atlases.arrays import read_cells
from pipeline.atlases.baseline_figure import plot_baselines
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import read_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__,
        files=["arrays*", "frames*", "agreement", "points", "figure"],
        texts=["names", "title", "config"],
    )
    config = AtlasesConfig.model_validate_json(args.config)
    names = args.names.split()
    plot_baselines(
        cells=dict(zip(names, map(read_cells, args.arrays), strict=True)),
        frames=dict(zip(names, map(read_csv, args.frames), strict=True)),
        agreement=read_csv(args.agreement),
        threshold=read_points(args.points)["frame"].threshold,
        title=f"{args.title}: what the choice of the baseline changes",
        look=Look(config.colormap, config.opacity),
        path=args.figure,
    )


if __name__ == "__main__":
    run(main)
