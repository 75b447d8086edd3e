"""Compute a protocol's mean face and mean mask (rule `collect_references`)."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.attributions.reference_faces import write_references
from pipeline.config.protocols import ProtocolConfig
from pipeline.runtime.command_line import run


@dataclass(frozen=True)
class Arguments:
    train: list[Path]
    output: Path
    protocol: ProtocolConfig


def main(args: Arguments) -> None:
    provenance = {"protocol": args.protocol.model_dump()}
    write_references(args.output, args.train, args.protocol, provenance=provenance)


if __name__ == "__main__":
    run(main, Arguments)
