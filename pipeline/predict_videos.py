"""Predict every test video of one detector (rule `predict_videos`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.files.tables import write_csv
from pipeline.models.predictions import per_video, probability, read_test_frames
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    predictions: list[Path]
    predicted: Path


def main(args: Arguments) -> None:
    videos = per_video(read_test_frames(args.predictions))
    videos["probability"] = probability(videos["logit"])
    write_csv(videos, args.predicted)


if __name__ == "__main__":
    run(main, Arguments)
