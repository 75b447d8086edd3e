"""Draw the contact sheet of a shard's faces (rule `draw_contact_sheet`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.faces.contact_sheet import contact_sheet
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    faces: Path
    sheet: Path


def main(args: Arguments) -> None:
    with FaceShard(args.faces) as shard, replacing(args.sheet) as part:
        contact_sheet(shard).save(part, "PNG")


if __name__ == "__main__":
    run(main, Arguments)
