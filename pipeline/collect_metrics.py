"""Metrics of all detectors in one place (rule `collect_metrics`)."""

import json
from pathlib import Path

import pandas as pd

from pipeline.atomic import replacing, write_csv
from pipeline.command_line import parse, run
from pipeline.detector_differences import overview
from pipeline.figures import plot_heat_table
from pipeline.literature import (
    FACEFORENSICS,
    TRAIN_VIDEOS,
    beside_published,
    read_published,
)
from pipeline.tables import read_csv


def main() -> None:
    args = parse(
        __doc__,
        files=[
            *("videos*", "frames*", "published", "all_videos", "all_frames"),
            *("overview", "literature", "heat"),
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
    plot_heat_table(videos, args.heat)


def stacked(paths: list[Path]) -> pd.DataFrame:
    """Tables of several detectors, one below the other."""
    tables = [read_csv(path) for path in paths]
    return pd.concat(tables, ignore_index=True)


def trained_table(runs: list[dict], videos: pd.DataFrame) -> pd.DataFrame:
    """What each detector was trained on, and how many FaceForensics++ videos it was
    tested on.

    `test_videos` is the number of real videos, or of any method's fakes if that is
    smaller. Left out: controls, detectors that were trained elsewhere, and those that
    saw another data set, or not all of the official split, in training.
    """
    runs = [run for run in runs if run["trained_here"]]
    runs = [run for run in runs if run["datasets"] == [FACEFORENSICS]]
    runs = [run for run in runs if run["train_videos"] == TRAIN_VIDEOS]
    columns = ["model", "protocol", "network"]
    table = pd.DataFrame(runs, columns=columns).assign(
        trained_methods=["+".join(sorted(run["methods"])) for run in runs],
        trained_compressions=["+".join(sorted(run["compressions"])) for run in runs],
    )
    tested = videos[(videos["method"] != "all") & (videos["metric"] == "auc")]
    tested = tested[tested["dataset"] == FACEFORENSICS]
    counts = tested.groupby(["model", "protocol"])[["real", "fake"]].min().min(axis=1)
    return table.merge(counts.rename("test_videos").reset_index())


if __name__ == "__main__":
    run(main)
