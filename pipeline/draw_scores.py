"""Draw the figures of one detector's test scores (rule `draw_scores`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.protocols import detector_title
from pipeline.metrics.operating_point import read_points
from pipeline.metrics.score_figures import (
    plot_det,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
    plot_scores,
)
from pipeline.models.predictions import per_video, read_test_frames
from pipeline.runtime.command_line import run
from pipeline.videos.table import labelled


@dataclass(frozen=True)
class Arguments:
    predictions: list[Path]
    points: Path
    roc: Path
    recall: Path
    det: Path
    reliability: Path
    scores: Path
    model: str
    protocol: str


def main(args: Arguments) -> None:
    frames = labelled(read_test_frames(args.predictions))
    videos, points = per_video(frames), read_points(args.points)
    levels = {"frame": frames, "video": videos}
    title = detector_title(args.model, args.protocol)
    plot_roc(levels, title, args.roc)
    plot_precision_recall(levels, title, args.recall)
    plot_det(levels, title, args.det)
    plot_reliability(levels, points, title, path=args.reliability)
    plot_scores(videos, points["video"].threshold, title, path=args.scores)


if __name__ == "__main__":
    run(main, Arguments)
