"""Describe the run, so that a report can be made of it (rule `describe_run`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.files.atomic import replacing
from pipeline.report.run_description import read_description
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    run: Path  # as the start of Snakemake wrote it
    description: Path


def main(args: Arguments) -> None:
    described = read_description(args.run)
    with replacing(args.description) as part:
        part.write_text(described.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, Arguments)
