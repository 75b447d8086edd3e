"""Cluster a sample of a detector's maps (rule `cluster_maps`)."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.atlases.arrays import read_sample, sample_has_landmarks
from pipeline.atlases.clusters import (
    cluster_maps,
    cluster_summary,
    cluster_table,
)
from pipeline.atlases.regions import REGIONS, region_grid, usual_points
from pipeline.files.tables import write_csv
from pipeline.runtime.command_line import run

SAMPLE_COLUMNS = (
    "shard place crop video subject number dataset compression method label logit"
).split()


@dataclass(frozen=True)
class Arguments:
    sample: Path
    clusters: Path
    cells: Path
    members: Path
    margin: float
    resamples: int
    seed: int


def main(args: Arguments) -> None:
    maps, rows = read_sample(args.sample)
    units = pd.factorize(rows["unit"])[0]
    clusters = cluster_maps(maps, args.seed, groups=units)
    points = usual_points(sample_has_landmarks(args.sample))
    regions = region_grid(maps.shape[1], args.margin, points)
    # `cluster_summary` expects the region outside the face first; it is the last here.
    names = (REGIONS[-1], *REGIONS[:-1])
    summary = cluster_summary(
        clusters, rows, maps, regions=(regions + 1) % len(names), names=names
    )
    table = cluster_table(clusters, rows, resamples=args.resamples, seed=args.seed)
    first, second = clusters.embedding.T
    members = rows[SAMPLE_COLUMNS].assign(
        cluster=clusters.labels, x=first, y=second, silhouette=clusters.silhouettes
    )
    write_csv(members, args.members)
    write_csv(summary, args.clusters)
    write_csv(table, args.cells)


if __name__ == "__main__":
    run(main, Arguments)
