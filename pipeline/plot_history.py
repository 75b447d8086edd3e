"""Draw a model's training curves (rule `plot_history`)."""

import pandas as pd

from pipeline.models.history_figure import plot_history
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["history", "curves"], texts=["title"])
    plot_history(pd.read_csv(args.history), args.title, args.curves)


if __name__ == "__main__":
    run(main)
