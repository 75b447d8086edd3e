"""Audit baselines, and how much maps hang on them (rule `compare_baselines`)."""

import logging

from pipeline.atlases.arrays import read_cells, read_sample
from pipeline.atlases.baseline_audit import agreement, audit
from pipeline.atlases.baseline_figure import plot_baselines
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import read_csv, write_csv
from pipeline.metrics.operating_point import read_points
from pipeline.runtime.command_line import parse, run

log = logging.getLogger(__name__)


def main() -> None:
    args = parse(
        __doc__,
        files=[
            "arrays*",
            "samples*",
            "frames*",
            "points",
            "audit",
            "agreement",
            "figure",
        ],
        texts=["names", "title", "config"],
    )
    config = AtlasesConfig.model_validate_json(args.config)
    look = Look(config.colormap, config.opacity)
    names = args.names.split()
    threshold = read_points(args.points)["frame"].threshold
    frames = dict(zip(names, map(read_csv, args.frames), strict=True))
    audited = audit(frames, threshold)
    alike = agreement(dict(zip(names, map(read_sample, args.samples), strict=True)))
    write_csv(audited, args.audit)
    write_csv(alike, args.agreement)
    cells = dict(zip(names, map(read_cells, args.arrays), strict=True))
    title = f"{args.title}: what the choice of the baseline changes"
    plot_baselines(cells, frames, audited, alike, threshold, title, look, args.figure)
    log.info("\n%s", audited.round(3).to_string(index=False))


if __name__ == "__main__":
    run(main)
