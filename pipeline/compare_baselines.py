"""Compare the baselines, and the maps from each (rule `compare_baselines`)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline.atlases.arrays import read_sample
from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    samples: list[Path]
    frames: list[Path]
    points: Path
    audit: Path
    agreement: Path
    names: str  # of the baselines, with a space between


def main(args: Arguments) -> None:
    names = args.names.split()
    frames = dict(zip(names, map(read_csv, args.frames), strict=True))
    samples = dict(zip(names, map(read_sample, args.samples), strict=True))
    audited = audit(frames, read_points(args.points)["frame"].threshold)
    write_csv(audited, args.audit)
    write_csv(agreement(samples), args.agreement)
    log.info("\n%s", audited.round(3).to_string(index=False))


if __name__ == "__main__":
    run(main, Arguments)
