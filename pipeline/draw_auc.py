"""Draw the AUC of all detectors as a table of colours (rule `draw_auc`)."""

from pipeline.files.tables import read_csv
from pipeline.metrics.heat_table import plot_heat_table
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["videos", "figure"])
    plot_heat_table(read_csv(args.videos), args.figure)


if __name__ == "__main__":
    run(main)
