"""Audit baselines, and how much maps depend on them (rule `compare_baselines`)."""

import logging

from pipeline.atlases.arrays import read_sample
from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import parse, run

log = logging.getLogger(__name__)


def main() -> None:
    files = ["samples*", "frames*", "points", "audit", "agreement"]
    args = parse(__doc__, files=files, texts=["names"])
    names = args.names.split()
    threshold = read_points(args.points)["frame"].threshold
    audited = audit(
        dict(zip(names, map(read_csv, args.frames), strict=True)), threshold
    )
    samples = dict(zip(names, map(read_sample, args.samples), strict=True))
    write_csv(audited, args.audit)
    write_csv(agreement(samples), args.agreement)
    log.info("\n%s", audited.round(3).to_string(index=False))


if __name__ == "__main__":
    run(main)
