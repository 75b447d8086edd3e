"""Metrics and figures of one detector over the test set (rule `evaluate_model`)."""

import logging

from pipeline.config.evaluation import EvaluationConfig
from pipeline.files.tables import write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.metrics.scores import metrics_table
from pipeline.models.predictions import (
    check_both_kinds,
    per_video,
    probability,
    read_test_frames,
)
from pipeline.runtime.command_line import parse, run

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(
        __doc__,
        files=[
            *("predictions*", "points", "predicted", "videos", "frames"),
        ],
        texts=["model", "protocol", "config", "seed"],
    )
    config = EvaluationConfig.model_validate_json(args.config)
    frames = read_test_frames(args.predictions)
    check_both_kinds(frames, "test", args.videos)
    videos = per_video(frames)
    videos["probability"] = probability(videos["logit"])
    write_csv(videos, args.predicted)
    levels, points = {"frame": frames, "video": videos}, read_points(args.points)
    named = {"model": args.model, "protocol": args.protocol}
    for level, file in (("frame", args.frames), ("video", args.videos)):
        table = metrics_table(
            levels[level], points[level], config.bootstrap, int(args.seed)
        )
        for place, (column, value) in enumerate(named.items()):
            table.insert(place, column, value)
        write_csv(table, file)
    auc = table[table["metric"] == "auc"]
    log.info("by video:\n%s", auc.round(4).to_string(index=False))


if __name__ == "__main__":
    run(main)
