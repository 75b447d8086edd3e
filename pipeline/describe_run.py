"""Describe the run, so that a report can be made of it (rule `describe_run`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.files.atomic import replacing
from pipeline.report.run_description import RunDescription
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    run: RunDescription
    description: Path


def main(args: Arguments) -> None:
    with replacing(args.description) as part:
        part.write_text(args.run.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, Arguments)
