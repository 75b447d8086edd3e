"""Fetch a shard's videos and masks from a server (rule `fetch_videos`).

This step runs on the machine where Snakemake runs. Files that exist are kept. The file
`SHA256SUMS` in the data set's folder records the checksum of each file when it was
first fetched (trust on first use).
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import ServedConfig, SourcesConfig
from pipeline.files.checksums import write_checksums
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run
from pipeline.runtime.errors import StepError
from pipeline.videos.download.dataset import fetch_files
from pipeline.videos.listing import list_shard
from pipeline.videos.shard_table import files_of, shard_table


@dataclass(frozen=True)
class Arguments:
    shard: str
    source: SourcesConfig  # with the shard's source alone
    config: FetchConfig
    table: Path
    checksums: Path


def main(args: Arguments) -> None:
    ((name, source),) = args.source.by_name().items()
    assert isinstance(source, ServedConfig)
    rows, root = list_shard(args.source, args.shard), Path(source.root)
    known = dict(zip(rows["path"], rows["known_sha256"], strict=True))
    names = files_of(rows)
    try:
        fetched = list(fetch_files(source.address, root, names, known, args.config))
    except OSError as error:
        raise StepError(
            f"{error.filename or root}: {error.strerror or error}. Repair this, or set "
            f"sources.{name}.root to another folder. Then run the same command again: "
            "fetched files are kept."
        ) from error
    sums = {file.name: file.sha256 for file in fetched if file.sha256}
    problems = {file.name: file.problem for file in fetched if file.problem}
    if args.config.unanswered == "fail":
        check_answers({file.name: file.problem for file in fetched if file.unanswered})
    check_failures(problems, len(names), args.config.max_failed)
    write_checksums(dict(sorted(sums.items())), args.checksums)
    write_csv(shard_table(rows, root, sums, problems), args.table)


def check_answers(unanswered: dict[str, str]) -> None:
    """Raise StepError that names the files for which the server did not answer.

    `unanswered` gives the problem by the file's path.
    """
    if unanswered:
        raise StepError(
            f"the server did not answer for {len(unanswered)} files:\n"
            f"{listed(unanswered)}\n"
            "Run the same command again: fetched files and parts of files are kept. To "
            "continue without these files, set fetch.unanswered to skip."
        )


def check_failures(problems: dict[str, str], files: int, max_failed: float) -> None:
    """Raise StepError that names the missing files if they are too many.

    `problems` gives the problem by the file's path; `max_failed` is a share of all
    `files`. A single missing file is always accepted.
    """
    if len(problems) > max(1, max_failed * files):
        raise StepError(
            f"{len(problems)} of {files} files could not be fetched, more than the "
            f"share {max_failed} that fetch.max_failed allows:\n{listed(problems)}\n"
            "Run the same command again: fetched files and parts of files are kept. To "
            "continue without these files, raise fetch.max_failed."
        )


def listed(problems: dict[str, str]) -> str:
    """One line for each file: its path and its problem."""
    return "\n".join(f"  {name}: {problem}" for name, problem in problems.items())


if __name__ == "__main__":
    run(main, Arguments)
