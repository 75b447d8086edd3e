"""Draw what regions do to the logit, and curves (rule `draw_interventions`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.atlases.intervention_figure import plot_interventions
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    regions: Path
    curves: Path
    figure: Path
    title: str


def main(args: Arguments) -> None:
    plot_interventions(
        read_csv(args.regions),
        read_csv(args.curves),
        title=f"{args.title}: parts of fakes put into their originals, and taken out",
        path=args.figure,
    )


if __name__ == "__main__":
    run(main, Arguments)
