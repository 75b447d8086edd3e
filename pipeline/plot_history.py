"""Draw a model's training curves (rule `plot_history`)."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.models.history_figure import plot_history
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    history: Path
    curves: Path
    title: str


def main(args: Arguments) -> None:
    plot_history(pd.read_csv(args.history), args.title, args.curves)


if __name__ == "__main__":
    run(main, Arguments)
