"""List all videos, and what the official splits let through (rule `index_videos`)."""

import logging

from pipeline.config.sources import SourcesConfig
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run
from pipeline.videos.listing import leak_report, list_videos

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(__doc__, files=["index", "leaks"], texts=["sources"])
    table = list_videos(SourcesConfig.model_validate_json(args.sources))
    write_csv(table, args.index)
    counts = table.groupby(["dataset", "split", "compression", "method"]).size()
    log.info("videos:\n%s", counts.to_string())
    tested = table[table["split"] == "test"]
    for dataset, labels in tested.groupby("dataset")["label"].unique().items():
        if len(labels) == 1:
            kind = "fake" if labels[0] else "real"
            log.info("%s: all test videos are %s: no metrics of its own", dataset, kind)
    left_out = table.loc[table["left_out"] != "", ["dataset", "left_out"]]
    for (dataset, reason), count in left_out.value_counts().items():
        log.info("%s: %d videos are left out: %s", dataset, count, reason)
    leaks = leak_report(table)
    write_csv(leaks, args.leaks)
    for (dataset, what), rows in leaks.groupby(["dataset", "what"]):
        log.info("%s: leak: %s: %s", dataset, what, " and ".join(rows["split"]))


if __name__ == "__main__":
    run(main)
