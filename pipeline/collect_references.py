"""Collect a protocol's real training faces (rule `collect_references`)."""

from pipeline.attributions.reference_faces import write_references
from pipeline.config.protocols import ProtocolConfig
from pipeline.runtime.command_line import parse, run


def main() -> None:
    args = parse(__doc__, files=["train*", "output"], texts=["protocol"])
    protocol = ProtocolConfig.model_validate_json(args.protocol)
    provenance = {"protocol": protocol.model_dump()}
    write_references(args.output, args.train, protocol, provenance)


if __name__ == "__main__":
    run(main)
