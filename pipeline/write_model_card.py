"""Describe a trained detector for those who use it (rule `write_model_card`)."""

import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.tables import read_csv
from pipeline.metrics.model_card import model_card
from pipeline.metrics.operating_point import read_points
from pipeline.models.header import read_header
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__,
        files=["weights", "history", "videos", "frames", "points", "card"],
        texts=["model", "protocol"],
    )
    header = read_header(args.weights)
    history = pd.read_csv(args.history)
    metrics = [read_csv(path) for path in (args.videos, args.frames)]
    title = f"{args.model}, trained on {args.protocol}"
    with replacing(args.card) as part:
        text = model_card(title, header, history, *metrics, read_points(args.points))
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
