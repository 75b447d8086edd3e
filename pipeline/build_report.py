"""Make the report of a run from whatever results there are (rule `build_report`)."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.files.atomic import replacing
from pipeline.files.tables import write_csv
from pipeline.report.dictionary import DICTIONARY, FOLDERS
from pipeline.report.leftovers import belongs
from pipeline.report.pages import PAGES, write_pages
from pipeline.report.problems import problem_table
from pipeline.report.run_description import RunDescription, read_description
from pipeline.report.run_tables import (
    checksum_table,
    data_table,
    detector_table,
    map_table,
    map_totals,
)
from pipeline.runtime.command_line import run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    run: Path  # report/run.json in the folder of results
    page: Path
    workers: int


def main(args: Arguments) -> None:
    results = args.run.parent.parent
    described = read_description(args.run)
    write_tables(described, results)
    folder = args.page.parent
    (folder / PAGES).mkdir(parents=True, exist_ok=True)
    written = set()
    for name, text in write_pages(described, results, args.workers):
        path = folder / name if name.startswith(PAGES) else args.page
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
        written.add(path)
        log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    for page in (folder / PAGES).glob("*.html"):  # of an earlier report
        if page not in written:
            page.unlink()


def write_tables(described: RunDescription, results: Path) -> None:
    """Write the tables that the report takes its own numbers from."""
    folder = results / "report"
    maps = map_table(results, described)
    problems = problem_table(results, described, maps)
    counts = problems.groupby("kind", sort=False).size().rename("count").reset_index()
    tables: dict[str, pd.DataFrame] = {
        "data": data_table(results),
        "detectors": detector_table(described),
        "maps": maps,
        "map_totals": map_totals(maps),
        "problems": problems,
        "problem_counts": counts,
        "checksums": checksum_table(results, own_tables(results, described)),
    }
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    with replacing(folder / DICTIONARY.name) as part:
        shutil.copyfile(DICTIONARY, part)


def own_tables(results: Path, described: RunDescription) -> list[str]:
    """The CSV files of the run's stages, relative to the results."""
    stages = [stage for stage in FOLDERS if stage != "report"]
    files = [file for stage in stages for file in (results / stage).rglob("*.csv")]
    names = [file.relative_to(results).as_posix() for file in files]
    return [name for name in names if belongs(name, described)]


if __name__ == "__main__":
    run(main, Arguments)
