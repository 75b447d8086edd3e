"""Fetch a shard's videos and masks from a server (rule `fetch_videos`).

Runs where Snakemake runs. What is there stays; `SHA256SUMS` in the data set's folder
keeps what each file was when it first came (trust on first use).
"""

from pathlib import Path

from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import ServedConfig, SourcesConfig
from pipeline.files.checksums import write_checksums
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.errors import StepError
from pipeline.videos.download.dataset import fetch_files
from pipeline.videos.shard_table import files_of, rows_of_shard, shard_table


def main() -> None:
    args = parse(
        __doc__,
        files=["index", "table", "checksums"],
        texts=["shard", "source", "config"],
    )
    sources = SourcesConfig.model_validate_json(args.source)
    config = FetchConfig.model_validate_json(args.config)
    ((name, source),) = sources.by_name().items()
    assert isinstance(source, ServedConfig)
    rows, root = rows_of_shard(args.index, args.shard), Path(source.root)
    known = dict(zip(rows["path"], rows["known_sha256"], strict=True))
    names = files_of(rows)
    try:
        come = list(fetch_files(source.address, root, names, known, config))
    except OSError as error:
        raise StepError(
            f"{error.filename or root}: {error.strerror or error}. Mend this, or set "
            f"sources.{name}.root to another folder, and run the same command again: "
            "what has come is kept."
        ) from error
    sums = {one.name: one.sha256 for one in come if one.sha256}
    problems = {one.name: one.problem for one in come if one.problem}
    if config.unanswered == "fail":
        check_answers({one.name: one.problem for one in come if one.unanswered})
    check_failures(problems, len(names), config.max_failed)
    write_checksums(dict(sorted(sums.items())), args.checksums)
    write_csv(shard_table(rows, root, sums, problems), args.table)


def check_answers(unanswered: dict[str, str]) -> None:
    """Raise StepError that names the files for which the server did not answer."""
    if unanswered:
        raise StepError(
            f"the server did not answer for {len(unanswered)} files:\n"
            f"{listed(unanswered)}\n"
            "Run the same command again: what has come is kept, half files as well. Or "
            "set fetch.unanswered to skip, to do without."
        )


def check_failures(problems: dict[str, str], files: int, allowed: float) -> None:
    """Raise StepError where too many files cannot be had; it names them."""
    if len(problems) > max(1, allowed * files):
        raise StepError(
            f"{len(problems)} of {files} files cannot be had, more than the share "
            f"{allowed} that fetch.max_failed allows:\n{listed(problems)}\n"
            "Run the same command again: what has come is kept, half files as well. Or "
            "raise fetch.max_failed, to do without."
        )


def listed(problems: dict[str, str]) -> str:
    """A line a file: its name, and what is the matter."""
    return "\n".join(f"  {name}: {why}" for name, why in problems.items())


if __name__ == "__main__":
    run(main)
