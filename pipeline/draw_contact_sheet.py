"""Draw the contact sheet of a shard's faces (rule `draw_contact_sheet`)."""

from pipeline.faces.contact_sheet import contact_sheet
from pipeline.faces.shards import FaceShard
from pipeline.files.atomic import replacing
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["faces", "sheet"])
    with FaceShard(args.faces) as shard, replacing(args.sheet) as part:
        contact_sheet(shard).save(part, "PNG")


if __name__ == "__main__":
    run(main)
