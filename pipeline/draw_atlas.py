"""Draw one model's atlases and galleries from their arrays (rule `build_atlas`)."""

from argparse import Namespace

import numpy as np

from pipeline.atlases.arrays import read_cells, read_sample
from pipeline.atlases.cluster_figure import plot_clusters
from pipeline.atlases.clusters import clusters_of, typical_members
from pipeline.atlases.figures import (
    plot_atlas,
    plot_gallery,
    plot_ledger,
    plot_statistics,
)
from pipeline.atlases.gallery import pick_examples, read_frames, typical_of
from pipeline.atlases.overlays import Look
from pipeline.atlases.tables import certificates
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import parse, run

PICTURES = ["atlas", "statistics", "ledger", "gallery", "cluster_figure"]
TABLES = ["arrays", "sample", "frames", "cells", "regions"]
CLUSTER_TABLES = ["clusters", "cluster_cells", "members"]
MEMBERS_SHOWN = 6  # of each cluster


def main() -> None:
    args = parse(
        __doc__,
        files=["attributions*", "faces*", *TABLES, *CLUSTER_TABLES, *PICTURES],
        texts=["title", "config"],
    )
    config = AtlasesConfig.model_validate_json(args.config)
    look = Look(config.colormap, config.opacity)
    cells, summary = read_cells(args.arrays), read_csv(args.cells)
    start = np.average(summary["mean_baseline_logit"], weights=summary["frames"])
    title = (
        f"{args.title}: mean attribution of the fake logit\n"
        f"the baselines' own mean logit is {start:+.1f}: see baselines.png first"
    )
    plot_atlas(cells, certificates(summary), title, look, args.atlas)
    plot_statistics(cells, f"{args.title}: statistics of maps", look, args.statistics)
    title = f"{args.title}: what each region adds to the logit"
    plot_ledger(read_csv(args.regions), title, look, args.ledger)
    frames = read_csv(args.frames)
    chosen = pick_examples(frames, typical_of(args.sample, cells), config.gallery)
    examples = {
        name: read_frames(rows, args.attributions, args.faces)
        for name, rows in chosen.items()
    }
    title = f"{args.title}: attribution of the fake logit, frame by frame"
    plot_gallery(examples, title, look, args.gallery)
    draw_clusters(args, look)


def draw_clusters(args: Namespace, look: Look) -> None:
    """Draw the clusters that `cluster_maps` found, with their typical members."""
    maps, rows = read_sample(args.sample)
    clusters = clusters_of(read_csv(args.members))
    typical = typical_members(clusters, maps, rows, MEMBERS_SHOWN)
    wanted = np.concatenate(list(typical.values()))
    frames = read_frames(rows.iloc[wanted], args.attributions, args.faces)
    plot_clusters(
        clusters,
        maps,
        rows,
        table=read_csv(args.cluster_cells),
        summary=read_csv(args.clusters),
        crops={i: f.canonical_crop() for i, f in zip(wanted, frames, strict=True)},
        typical=typical,
        title=f"{args.title}: clusters of maps",
        look=look,
        path=args.cluster_figure,
    )


if __name__ == "__main__":
    run(main)
