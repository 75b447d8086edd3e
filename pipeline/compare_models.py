"""Paired differences between models on the test videos (rule `compare_models`)."""

import json

import pandas as pd

from pipeline.config.evaluation import EvaluationConfig
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.comparison import DIFFERENCE_COLUMNS, differences
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__,
        files=["predicted*", "points*", "differences"],
        texts=["runs", "config", "seed"],
    )
    config = EvaluationConfig.model_validate_json(args.config)
    runs = pd.DataFrame(json.loads(args.runs)).assign(
        predicted=args.predicted, points=args.points
    )
    tables = [pd.DataFrame(columns=DIFFERENCE_COLUMNS)]
    for protocol, members in runs.groupby("protocol", sort=False):
        predicted = {row.model: read_csv(row.predicted) for row in members.itertuples()}
        points = {
            row.model: read_points(row.points)["video"] for row in members.itertuples()
        }
        table = differences(predicted, points, config.bootstrap, int(args.seed))
        table.insert(0, "protocol", protocol)
        tables.append(table)
    found = [table for table in tables if len(table)] or tables[:1]
    write_csv(pd.concat(found, ignore_index=True), args.differences)


if __name__ == "__main__":
    run(main)
