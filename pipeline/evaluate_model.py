"""Metrics and figures of one model over the test set (rule `evaluate_model`)."""

import pandas as pd

from pipeline.atomic import write_csv
from pipeline.command_line import log, parse, run
from pipeline.config.evaluation import EvaluationConfig
from pipeline.errors import StepError
from pipeline.figures import plot_roc, plot_scores
from pipeline.metrics import metrics_table
from pipeline.prediction import probability, read_predictions, video_table


def main() -> None:
    args = parse(
        __doc__,
        files=["predictions*", "metrics", "videos", "roc", "scores"],
        texts=["model", "config", "seed"],
    )
    config = EvaluationConfig.model_validate_json(args.config)
    frames = pd.concat([read_predictions(path) for path in args.predictions])
    frames = frames.sort_values(["video", "subject", "number"])
    if set(frames["label"]) != {0, 1}:
        raise StepError(
            "the test split has no crops of both real and fake videos: see "
            "faces/summary.csv for what became of each"
        )
    videos = video_table(frames)
    videos["probability"] = probability(videos["logit"])
    levels = {"frame": frames, "video": videos}
    table = metrics_table(levels, config.threshold, config.bootstrap, int(args.seed))
    write_csv(videos, args.videos)
    write_csv(table, args.metrics)
    plot_roc(levels, args.model, args.roc)
    plot_scores(videos, args.model, args.scores)
    log.info("\n%s", table[table.metric == "auc"].round(4).to_string(index=False))


if __name__ == "__main__":
    run(main)
