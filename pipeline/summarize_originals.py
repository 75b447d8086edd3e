"""Count the fakes that have an aligned original (rule `summarize_originals`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline.attributions.originals import summary_table
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    originals: list[Path]
    summary: Path


def main(args: Arguments) -> None:
    table = summary_table(args.originals)
    write_csv(table, args.summary)
    log.info("\n%s", table.round(3).to_string(index=False))


if __name__ == "__main__":
    run(main, Arguments)
