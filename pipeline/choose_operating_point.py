"""Choose a detector's operating point on validation (rule `choose_threshold`)."""

import logging

import pandas as pd

from pipeline.config.protocols import ProtocolConfig
from pipeline.files.tables import write_csv
from pipeline.metrics.operating_point import points_table
from pipeline.models.predictions import check_both_kinds, per_video, read_predictions
from pipeline.runtime.command_line import parse, run
from pipeline.videos.protocols import selected

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(__doc__, files=["predictions*", "points"], texts=["protocol"])
    protocol = ProtocolConfig.model_validate_json(args.protocol)
    frames = pd.concat([read_predictions(path) for path in args.predictions])
    frames = frames[selected(frames, protocol)].sort_values("video", kind="stable")
    check_both_kinds(frames, "val", args.points)
    table = points_table({"frame": frames, "video": per_video(frames)})
    write_csv(table, args.points)
    log.info("\n%s", table.to_string(index=False))


if __name__ == "__main__":
    run(main)
