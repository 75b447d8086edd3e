"""Choose a detector's operating point on validation (rule `choose_threshold`)."""

import pandas as pd

from pipeline.atomic import write_csv
from pipeline.calibration import points_table
from pipeline.command_line import log, parse, run
from pipeline.config.protocols import ProtocolConfig
from pipeline.errors import StepError
from pipeline.prediction import read_predictions, video_table
from pipeline.protocols import selected


def main() -> None:
    args = parse(__doc__, files=["predictions*", "points"], texts=["protocol"])
    protocol = ProtocolConfig.model_validate_json(args.protocol)
    frames = pd.concat([read_predictions(path) for path in args.predictions])
    frames = frames[selected(frames, protocol)].sort_values("video", kind="stable")
    if set(frames["label"]) != {0, 1}:
        raise StepError(
            f"{args.points}: the val split has no crops of both real and fake videos: "
            "the face shards' contact sheets (faces/*.png) say what became of each; "
            "mend those, or take more videos"
        )
    table = points_table({"frame": frames, "video": video_table(frames)})
    write_csv(table, args.points)
    log.info("\n%s", table.to_string(index=False))


if __name__ == "__main__":
    run(main)
