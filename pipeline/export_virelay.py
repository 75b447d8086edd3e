"""Write clustered maps as a project for ViRelAy (rule `export_virelay`)."""

from pipeline.atlases.virelay import write_project
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(
        __doc__,
        files=["attributions*", "faces*", "members", "project"],
        texts=["title", "model"],
    )
    members = read_csv(args.members)
    shards = (args.attributions, args.faces)
    write_project(args.project.parent, members, *shards, args.title, args.model)


if __name__ == "__main__":
    run(main)
