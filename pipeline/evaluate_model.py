"""Compute the metrics of one detector on the test set (rule `evaluate_model`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.evaluation import EvaluationConfig
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.metrics.scores import metrics_table
from pipeline.models.predictions import check_both_kinds, read_test_frames
from pipeline.runtime.command_line import run
from pipeline.videos.table import labelled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    predictions: list[Path]
    predicted: Path  # the predictions by video
    points: Path
    videos: Path
    frames: Path
    model: str
    protocol: str
    config: EvaluationConfig
    seed: int


def main(args: Arguments) -> None:
    frames = labelled(read_test_frames(args.predictions))
    check_both_kinds(frames, "test", args.videos)
    videos = labelled(read_csv(args.predicted))
    points = read_points(args.points)
    levels = {"frame": (frames, args.frames), "video": (videos, args.videos)}
    for level, (items, file) in levels.items():
        resamples = args.config.bootstrap
        table = metrics_table(items, points[level], resamples, args.seed)
        table.insert(0, "model", args.model)
        table.insert(1, "protocol", args.protocol)
        write_csv(table, file)
    auc = table[table["metric"] == "auc"]  # of videos, the last level
    log.info("by video:\n%s", auc.round(4).to_string(index=False))


if __name__ == "__main__":
    run(main, Arguments)
