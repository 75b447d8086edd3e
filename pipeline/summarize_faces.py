"""List the outcome of face extraction for every video (rule `summarize_faces`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.faces.shards import FaceShard
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run
from pipeline.videos.status import USABLE_STATUSES, VideoStatus

log = logging.getLogger(__name__)

COLUMNS = (
    "video split label method compression status reason subjects looked_at crops "
    "detected total_frames width height has_mask bytes sha256 path"
).split()


@dataclass(frozen=True)
class Arguments:
    shards: list[Path]
    summary: Path


def main(args: Arguments) -> None:
    tables = []
    for path in args.shards:
        with FaceShard(path) as shard:
            tables.append(shard.videos)
    videos = pd.concat(tables)[COLUMNS].sort_values(["split", "video"])
    write_csv(videos, args.summary)
    log.info("%d videos, %d crops", len(videos), videos["crops"].sum())
    for video in videos[videos["status"] != VideoStatus.OK].itertuples():
        usable = "" if video.status in USABLE_STATUSES else "no crops: "
        log.info("%s%s: %s: %s", usable, video.path, video.status, video.reason)


if __name__ == "__main__":
    run(main, Arguments)
