"""Metrics of all detectors in one place (rule `collect_metrics`)."""

import json
from pathlib import Path

import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.literature import (
    beside_published,
    read_published,
    trained_table,
)
from pipeline.metrics.overview import overview
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__,
        files=[
            *("videos*", "frames*", "published", "all_videos", "all_frames"),
            *("overview", "literature"),
        ],
        texts=["runs"],
    )
    videos, frames = (stacked(paths) for paths in (args.videos, args.frames))
    write_csv(videos, args.all_videos)
    write_csv(frames, args.all_frames)
    with replacing(args.overview) as part:
        part.write_text(overview(videos), encoding="utf-8")
    published = read_published(args.published)
    trained = trained_table(json.loads(args.runs), videos)
    beside = beside_published(frames.assign(level="frame"), trained, published)
    write_csv(beside, args.literature)


def stacked(paths: list[Path]) -> pd.DataFrame:
    """Tables of several detectors, one below the other."""
    tables = [read_csv(path) for path in paths]
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    run(main)
