"""Collect the metrics of all detectors (rule `collect_metrics`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.checksums import file_sha256
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.literature import (
    beside_published,
    read_published,
    trained_table,
)
from pipeline.metrics.overview import overview
from pipeline.models.header import complete_provenance, read_header
from pipeline.runtime.command_line import Json, run


@dataclass(frozen=True)
class Arguments:
    videos: list[Path]
    frames: list[Path]
    published: Path
    all_videos: Path
    all_frames: Path
    overview: Path
    literature: Path
    runs: Annotated[list[dict[str, Any]], Json]  # the trained detectors
    finished: Annotated[dict[str, str], Json]  # files of finished detectors, by model


def main(args: Arguments) -> None:
    videos, frames = stacked(args.videos), stacked(args.frames)
    write_csv(videos, args.all_videos)
    write_csv(frames, args.all_frames)
    with replacing(args.overview) as part:
        finished = [finished_row(name, Path(f)) for name, f in args.finished.items()]
        part.write_text(overview(videos, finished), encoding="utf-8")
    published = read_published(args.published)
    trained = trained_table(args.runs, videos)
    beside = beside_published(frames.assign(level="frame"), trained, published)
    write_csv(beside, args.literature)


def finished_row(name: str, weights: Path) -> list[str]:
    """The row of a finished detector in the overview: see FINISHED_COLUMNS there."""
    header = read_header(weights)
    source = complete_provenance(header)
    kinds = ("datasets", "methods", "compressions")
    trained = [", ".join(source[kind]) or "unknown" for kind in kinds]
    return [name, header["timm"], *trained, weights.name, file_sha256(weights)]


def stacked(paths: list[Path]) -> pd.DataFrame:
    """The rows of several tables, one table below the other."""
    return pd.concat([read_csv(path) for path in paths], ignore_index=True)


if __name__ == "__main__":
    run(main, Arguments)
