"""Cluster a sample of one model's maps (rule `cluster_maps`)."""

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import read_sample
from pipeline.atlases.cluster_figure import plot_clusters
from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
    typical_members,
)
from pipeline.atlases.gallery import read_frames
from pipeline.atlases.overlays import Look
from pipeline.atlases.regions import REGIONS, USUAL_POINTS, region_grid
from pipeline.config.atlases import AtlasesConfig
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run
from pipeline.videos.table import persons

KEPT = (
    "shard place crop video subject number dataset compression method label logit"
).split()
MEMBERS = 6  # shown of each cluster


def main() -> None:
    args = parse(
        __doc__,
        files=[
            *("attributions*", "faces*", "sample"),
            *("clusters", "cells", "members", "figure"),
        ],
        texts=["detector", "margin", "resamples", "seed", "title", "config"],
    )
    config, seed = AtlasesConfig.model_validate_json(args.config), int(args.seed)
    maps, rows = read_sample(args.sample)
    people = pd.factorize(persons(rows))[0]
    clusters = cluster_maps(maps, seed, groups=people)
    points = USUAL_POINTS[args.detector]
    regions = region_grid(maps.shape[1], float(args.margin), points)
    # The last region is outside the face, which the summary wants first.
    names = (REGIONS[-1], *REGIONS[:-1])
    summary = cluster_summary(clusters, rows, maps, (regions + 1) % len(names), names)
    table = cluster_table(clusters, rows, int(args.resamples), seed)
    first, second = clusters.embedding.T
    found = {"cluster": clusters.labels, "x": first, "y": second}
    silhouette = {"silhouette": clusters.silhouettes}
    write_csv(rows[KEPT].assign(**found, **silhouette), args.members)
    write_csv(summary, args.clusters)
    write_csv(table, args.cells)
    typical = typical_members(clusters, maps, rows, MEMBERS)
    wanted = np.concatenate(list(typical.values()))
    frames = read_frames(rows.iloc[wanted], args.attributions, args.faces)
    faces = {i: frame.canonical_crop() for i, frame in zip(wanted, frames, strict=True)}
    title = f"{args.title}: clusters of maps"
    look = Look(config.colormap, config.opacity)
    shown = (clusters, maps, rows, table, summary, faces, typical)
    plot_clusters(*shown, title, look, args.figure)


if __name__ == "__main__":
    run(main)
