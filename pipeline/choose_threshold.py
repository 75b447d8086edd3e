"""Choose a detector's operating point on validation (rule `choose_threshold`)."""

import pandas as pd

from pipeline.atomic import write_csv
from pipeline.calibration import points_table
from pipeline.command_line import log, parse, run
from pipeline.config.protocols import ProtocolConfig
from pipeline.prediction import check_both_kinds, read_predictions, video_table
from pipeline.protocols import selected


def main() -> None:
    args = parse(__doc__, files=["predictions*", "points"], texts=["protocol"])
    protocol = ProtocolConfig.model_validate_json(args.protocol)
    frames = pd.concat([read_predictions(path) for path in args.predictions])
    frames = frames[selected(frames, protocol)].sort_values("video", kind="stable")
    check_both_kinds(frames, "val", args.points)
    table = points_table({"frame": frames, "video": video_table(frames)})
    write_csv(table, args.points)
    log.info("\n%s", table.to_string(index=False))


if __name__ == "__main__":
    run(main)
