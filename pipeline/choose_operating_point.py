"""Choose a detector's operating point on val (rule `choose_operating_point`).

Without predictions of val, which a finished detector may lack, it is the default one.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.config.protocols import ProtocolConfig
from pipeline.files.tables import write_csv
from pipeline.metrics.operating_point import LEVELS, default_table, points_table
from pipeline.models.predictions import check_both_kinds, per_video, read_predictions
from pipeline.runtime.command_line import run
from pipeline.videos.protocols import protocol_rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    predictions: tuple[Path, ...]
    points: Path
    protocol: ProtocolConfig


def main(args: Arguments) -> None:
    table = default_table(LEVELS)
    if args.predictions:
        frames = pd.concat([read_predictions(path) for path in args.predictions])
        frames = frames[protocol_rows(frames, args.protocol)]
        frames = frames.sort_values("video", kind="stable")
        check_both_kinds(frames, "val", args.points)
        levels = (frames, per_video(frames))
        table = points_table(dict(zip(LEVELS, levels, strict=True)))
    write_csv(table, args.points)
    log.info("\n%s", table.to_string(index=False))


if __name__ == "__main__":
    run(main, Arguments)
