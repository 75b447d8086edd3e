"""Compare the test metrics of models by paired differences (rule `compare_models`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from pipeline.config.evaluation import EvaluationConfig
from pipeline.files.tables import read_csv, stacked, write_csv
from pipeline.metrics.comparison import DIFFERENCE_COLUMNS, differences
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import Json, run
from pipeline.videos.table import labelled


@dataclass(frozen=True)
class Arguments:
    predicted: list[Path]
    points: list[Path]
    differences: Path
    runs: Annotated[list[dict[str, Any]], Json]
    config: EvaluationConfig
    seed: int


def main(args: Arguments) -> None:
    runs = pd.DataFrame(args.runs).assign(predicted=args.predicted, points=args.points)
    tables = [pd.DataFrame(columns=DIFFERENCE_COLUMNS)]
    for protocol, members in runs.groupby("protocol", sort=False):
        rows = list(members.itertuples())
        predicted = {row.model: labelled(read_csv(row.predicted)) for row in rows}
        points = {row.model: read_points(row.points)["video"] for row in rows}
        table = differences(predicted, points, args.config.bootstrap, args.seed)
        trained = dict(zip(members["model"], members["trained_model"], strict=True))
        table = table.assign(
            protocol=protocol,
            same_model=table["model"].map(trained) == table["other"].map(trained),
        )
        tables.append(table[DIFFERENCE_COLUMNS])
    write_csv(stacked(tables), args.differences)


if __name__ == "__main__":
    run(main, Arguments)
