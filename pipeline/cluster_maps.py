"""Cluster a sample of one model's maps (rule `cluster_maps`)."""

import pandas as pd

from pipeline.atlases.arrays import read_sample
from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
)
from pipeline.atlases.regions import REGIONS, USUAL_POINTS, region_grid
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import parse, run
from pipeline.videos.table import persons

KEPT = (
    "shard place crop video subject number dataset compression method label logit"
).split()


def main() -> None:
    args = parse(
        __doc__,
        files=["sample", "clusters", "cells", "members"],
        texts=["detector", "margin", "resamples", "seed"],
    )
    seed = int(args.seed)
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


if __name__ == "__main__":
    run(main)
