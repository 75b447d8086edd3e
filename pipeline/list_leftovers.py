"""List results that the configuration does not have any more (rule `list_leftovers`).

Nothing is deleted.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.report.leftovers import leftovers
from pipeline.report.run_description import read_description
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    run: Path  # report/run.json in the folder of results


def main(args: Arguments) -> None:
    results = args.run.parent.parent
    table = leftovers(results, read_description(args.run))
    if table.empty:
        print(f"{results}: all results are of the configuration")
        return
    print(f"{results}: not of the configuration, and not shown in the report:")
    for row in table.itertuples():
        print(f"{row.bytes / 1e6:10.1f} MB {row.files:6d} files  {row.place}")
    print(f"{table['bytes'].sum() / 1e6:10.1f} MB in all; delete what you do not need")


if __name__ == "__main__":
    run(main, Arguments)
