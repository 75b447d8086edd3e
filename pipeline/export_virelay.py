"""Write clustered maps as a project for ViRelAy (rule `export_virelay`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.atlases.virelay import write_project
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    attributions: list[Path]
    faces: list[Path]
    members: Path
    project: Path
    title: str
    model: str


def main(args: Arguments) -> None:
    write_project(
        args.project.parent,
        members=read_csv(args.members),
        attributions=args.attributions,
        faces=args.faces,
        title=args.title,
        model=args.model,
    )


if __name__ == "__main__":
    run(main, Arguments)
