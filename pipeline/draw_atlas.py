"""Draw the figures of one detector's atlas (rule `draw_atlas`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import read_cells, read_sample
from pipeline.atlases.captions import cell_captions
from pipeline.atlases.cluster_figure import plot_clusters
from pipeline.atlases.clusters import clusters_of, typical_members
from pipeline.atlases.comparison_figure import plot_differences
from pipeline.atlases.differences import (
    fake_differences,
    outcome_differences,
    read_threshold,
)
from pipeline.atlases.figures import (
    plot_atlas,
    plot_gallery,
    plot_ledger,
    plot_statistics,
)
from pipeline.atlases.gallery import mean_similarity, pick_examples, read_frames
from pipeline.atlases.overlays import Look
from pipeline.config.atlases import AtlasesConfig
from pipeline.config.baseline_names import ORIGINAL
from pipeline.files.tables import read_csv
from pipeline.runtime.command_line import run

MEMBERS_SHOWN = 6  # of each cluster
ORIGINAL_NOTE = (
    "from its own original, a map shows which of the changed pixels count, and not "
    "whether\nthe detector finds the forgery; hatched: not significantly different "
    "from zero"
)
OTHER_NOTE = (
    "hatched: not significantly different from real faces; right and wrong frames are "
    "not\ntested, because the logit that a map adds up to decides which they are"
)


@dataclass(frozen=True)
class Arguments:
    # Input files.
    attributions: list[Path]
    faces: list[Path]
    arrays: Path
    sample: Path
    frames: Path
    cells: Path
    regions: Path
    significance: Path
    clusters: Path
    cluster_cells: Path
    members: Path
    # Output files.
    atlas: Path
    outcomes: Path
    statistics: Path
    ledger: Path
    gallery: Path
    cluster_figure: Path

    title: str
    model: str
    protocol: str
    baseline: str
    config: AtlasesConfig


def main(args: Arguments) -> None:
    look = Look(args.config.colormap, args.config.opacity)
    draw_means(args, look)
    draw_gallery(args, look)
    draw_clusters(args, look)


def draw_means(args: Arguments, look: Look) -> None:
    """Draw what is averaged over frames: the atlas, its statistics, the regions."""
    cells, summary = read_cells(args.arrays), read_csv(args.cells)
    significance = read_csv(args.significance)
    threshold = read_threshold(significance)
    names = {"model": args.model, "protocol": args.protocol, "baseline": args.baseline}
    own = significance[(significance[list(names)] == pd.Series(names)).all(1)]
    start = np.average(summary["mean_baseline_logit"], weights=summary["frames"])
    title = (
        f"{args.title}: mean attribution of the fake logit\n"
        f"the baselines' own mean logit is {start:+.1f}: see baselines.png first\n"
        f"{ORIGINAL_NOTE if args.baseline == ORIGINAL else OTHER_NOTE}"
    )
    tested = [d for d in fake_differences(cells, args.baseline) if d.picture]
    plot_atlas(
        cells,
        cell_captions(summary, own),
        {(*d.cell.slice, d.cell.outcome): d.significant(threshold) for d in tested},
        title=title,
        look=look,
        path=args.atlas,
    )
    plot_differences(
        outcome_differences(cells),
        threshold,
        title=f"{args.title}: frames that are classified right and wrong, in shape",
        look=look,
        path=args.outcomes,
    )
    title = f"{args.title}: statistics of maps"
    plot_statistics(cells, title=title, look=look, path=args.statistics)
    title = f"{args.title}: what each region adds to the logit"
    plot_ledger(read_csv(args.regions), title=title, look=look, path=args.ledger)


def draw_gallery(args: Arguments, look: Look) -> None:
    """Draw single frames with their maps."""
    typical = mean_similarity(args.sample, args.arrays)
    chosen = pick_examples(read_csv(args.frames), typical, args.config.gallery)
    examples = {
        name: read_frames(rows, args.attributions, args.faces)
        for name, rows in chosen.items()
    }
    title = f"{args.title}: attribution of the fake logit, frame by frame"
    plot_gallery(examples, title=title, look=look, path=args.gallery)


def draw_clusters(args: Arguments, look: Look) -> None:
    """Draw the clusters that `cluster_maps` found, with their most typical members."""
    maps, rows = read_sample(args.sample)
    clusters = clusters_of(read_csv(args.members))
    typical = typical_members(clusters, maps, rows, count=MEMBERS_SHOWN)
    shown = np.concatenate(list(typical.values()))
    frames = read_frames(rows.iloc[shown], args.attributions, args.faces)
    plot_clusters(
        clusters,
        maps,
        rows,
        table=read_csv(args.cluster_cells),
        summary=read_csv(args.clusters),
        crops={i: f.canonical_crop() for i, f in zip(shown, frames, strict=True)},
        typical=typical,
        title=f"{args.title}: clusters of maps",
        look=look,
        path=args.cluster_figure,
    )


if __name__ == "__main__":
    run(main, Arguments)
