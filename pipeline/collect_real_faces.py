"""Collect real validation faces (rule `collect_real_faces`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.attributions.real_faces import write_real_faces
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    validation: list[Path]
    output: Path


def main(args: Arguments) -> None:
    write_real_faces(args.output, args.validation)


if __name__ == "__main__":
    run(main, Arguments)
