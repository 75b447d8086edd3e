"""Draw the AUC of all detectors as a coloured table (rule `draw_auc`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.files.tables import read_csv
from pipeline.metrics.heat_table import plot_heat_table
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    videos: Path
    figure: Path


def main(args: Arguments) -> None:
    plot_heat_table(read_csv(args.videos), args.figure)


if __name__ == "__main__":
    run(main, Arguments)
