"""List all videos, and the leaks of the official splits (rule `index_videos`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.config.sources import SourcesConfig
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run
from pipeline.videos.listing import leak_report, list_videos
from pipeline.videos.table import LABEL_NAMES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    index: Path
    leaks: Path
    sources: SourcesConfig


def main(args: Arguments) -> None:
    table = list_videos(args.sources)
    write_csv(table, args.index)
    leaks = leak_report(table)
    write_csv(leaks, args.leaks)
    log_videos(table)
    for (dataset, what), rows in leaks.groupby(["dataset", "what"]):
        log.info("%s: leak: %s: %s", dataset, what, " and ".join(rows["split"]))


def log_videos(table: pd.DataFrame) -> None:
    """Log how many videos there are and are left out, and test sets without metrics."""
    counts = table.groupby(["dataset", "split", "compression", "method"]).size()
    log.info("videos:\n%s", counts.to_string())
    tested = table[table["split"] == "test"]
    for dataset, labels in tested.groupby("dataset")["label"].unique().items():
        missing = [kind for label, kind in LABEL_NAMES.items() if label not in labels]
        if missing:
            kinds = " or ".join(missing)
            log.info("%s: no metrics, because no test video is %s", dataset, kinds)
    left_out = table.loc[table["left_out"] != "", ["dataset", "left_out"]]
    for (dataset, reason), count in left_out.value_counts().items():
        log.info("%s: %d videos are left out: %s", dataset, count, reason)


if __name__ == "__main__":
    run(main, Arguments)
