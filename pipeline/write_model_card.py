"""Describe a trained detector for its users (rule `write_model_card`)."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.config.protocols import detector_title
from pipeline.files.atomic import replacing
from pipeline.files.checksums import file_sha256
from pipeline.files.tables import read_csv
from pipeline.metrics.model_card import model_card
from pipeline.metrics.operating_point import read_points
from pipeline.models.header import read_header
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    weights: Path
    history: Path | None
    videos: Path
    frames: Path
    points: Path
    card: Path
    model: str
    protocol: str


def main(args: Arguments) -> None:
    text = model_card(
        detector_title(args.model, args.protocol),
        read_header(args.weights),
        pd.read_csv(args.history) if args.history else None,
        file=(args.weights.name, file_sha256(args.weights)),
        videos=read_csv(args.videos),
        frames=read_csv(args.frames),
        points=read_points(args.points),
    )
    with replacing(args.card) as part:
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main, Arguments)
