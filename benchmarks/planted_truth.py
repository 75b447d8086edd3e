"""What the atlas says of corpora in which the place of the forgery is known.

    python -m benchmarks.planted_truth FOLDER [--corpora mouth watermark]

In the corpus *mouth*, fakes are those of the method NeuralTextures of the miniature
corpus, which forges the region of the mouth alone. In the corpus *watermark*, each fake
is a real video of the miniature corpus with a small bright square at the lower right of
the head. It is inside the crop of the face and outside the face, and nothing else is
changed: frames are marked before they are encoded, as the real videos are.

For each corpus, the script writes videos and `config.yaml` into `FOLDER/<corpus>`, runs
`snakemake atlases metrics` there with one detector, and prints a table with what was
found from each baseline, and what a faithful atlas shows. Finished steps do not run
again. Run it with `OMP_NUM_THREADS=1` if other programs use the processor too.

The *planted region* is, in the tables of regions, clusters and interventions, the
region of that name. In the pictures, it is the squares that the mean mask of the fakes
touches. Interventions exchange pixels with the fake's own original, so that they are
compared with the maps from `original` only. They are measured on a sample of the fakes,
as are the maps of random weights.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from pipeline.atlases.arrays import CellArrays, read_cells
from pipeline.atlases.differences import (
    Difference,
    fake_differences,
    read_threshold,
)
from pipeline.atlases.heats import ATTRIBUTION, CHANGE, RANDOM
from pipeline.atlases.intervention_tables import (
    CHANGE as LOGIT_CHANGE,
)
from pipeline.atlases.intervention_tables import (
    CORRELATION,
    INSERTION,
    MAP,
    REMOVAL,
)
from pipeline.atlases.ledger import OFF_GRID_REGION
from pipeline.atlases.mask_agreement import CHANGED, PAIRED_SPECIFICITY
from pipeline.atlases.regions import REGIONS, region_grid
from pipeline.atlases.scales import BLUR
from pipeline.config.baseline_names import ORIGINAL
from pipeline.config.faces import FacesConfig
from pipeline.config.miniature import MiniatureConfig
from pipeline.statistics.pooling import POOLED_SIDE, pool_maps
from pipeline.videos.miniature import staging
from pipeline.videos.miniature.corpus import CRF, write_video
from pipeline.videos.miniature.motion import Pose
from pipeline.videos.miniature.scene import make_scene
from pipeline.videos.sources.miniature import miniature_pairs
from pipeline.videos.table import REAL

REPOSITORY = Path(__file__).parents[1]
BASELINES = ["black", ORIGINAL, "nearest_real"]
MODEL, PROTOCOL = "xception", "all"
SIZE = 80  # px of the crops

# The crop of a face, in half-widths of the drawn head: its side, and how far its middle
# is below the head's. Means of 120 frames with CenterFace and `faces.margin: 1.3`; the
# standard deviations of single frames are 0.09 and 0.05.
CROP_SIDE, CROP_BELOW = 2.34, 0.21
MARK_SIDE = 1 / 8  # as a share of the crop's side
MARK_PLACE = 0.36  # right of and below the crop's middle, as a share of its side
MARK_COLOUR, MARK_OPACITY = (255, 225, 0), 0.7

TOUCHED = 0.05  # a square is planted if it is in the masks of so large a share of fakes


@dataclass(frozen=True)
class Corpus:
    """A corpus with a forgery in a known place.

    Attributes:
        method: the method of its fakes.
        regions: the regions of the ledger in which the forgery is.
        train_pairs, epochs: how much its detector learns.
        average: the decay of the moving average of the detector's weights. It is
            smaller where the detector learns in few steps, so that the mean of its
            weights does not lag behind.
        sources: writes the videos that the workflow does not render itself, and gives
            the section `sources` of the configuration.
    """

    method: str
    regions: tuple[str, ...]
    train_pairs: int
    epochs: int
    average: float
    sources: Callable[[Path, MiniatureConfig], dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """The results of a corpus from one baseline."""

    corpus: Corpus
    results: Path
    baseline: str

    @property
    def metrics(self) -> Path:
        return self.results / "metrics" / MODEL / PROTOCOL

    @property
    def detector(self) -> Path:
        """The folder of the atlases of all baselines."""
        return self.results / "atlases" / MODEL / PROTOCOL

    @property
    def atlas(self) -> Path:
        return self.detector / self.baseline

    @cached_property
    def difference(self) -> Difference:
        """The tested difference of the fakes from what they are compared with."""
        cells = read_cells(self.atlas / "arrays.h5")
        found = fake_differences(cells, self.baseline)
        return next(d for d in found if d.cell.method == self.corpus.method)

    @property
    def cell(self) -> CellArrays:
        """The cell of all fakes."""
        return self.difference.cell

    @cached_property
    def significant(self) -> np.ndarray:
        """The squares (P, P) bool in which the difference is significant."""
        table = pd.read_csv(self.results / "atlases" / "significance.csv")
        return self.difference.significant(read_threshold(table))


def mouth_sources(folder: Path, config: MiniatureConfig) -> dict[str, Any]:
    section = config.model_dump(exclude={"shards"}, exclude_defaults=True)
    return {"miniature": {**section, "root": "data", "methods": ["NeuralTextures"]}}


def watermark_sources(folder: Path, config: MiniatureConfig) -> dict[str, Any]:
    table = folder / "clips.csv"
    if not table.exists():
        rows = list(write_watermarked(folder / "data", config))
        pd.DataFrame(rows).to_csv(table, index=False)
    return {"folders": {"clips": {"root": "data", "table": table.name}}}


CORPORA = {
    "mouth": Corpus("NeuralTextures", ("mouth",), 42, 4, 0.99, mouth_sources),
    "watermark": Corpus(
        "watermark",
        ("outside the face", OFF_GRID_REGION),
        24,
        6,
        0.9,
        watermark_sources,
    ),
}


def write_watermarked(root: Path, config: MiniatureConfig) -> Iterator[dict[str, str]]:
    """Write each real video, the same with a mark, and its mask. Yields rows of the CSV
    that the source `folders` reads, with paths below `root`."""
    for split, pairs in miniature_pairs(config).items():
        for person in [person for pair in pairs for person in pair]:
            scene = make_scene(
                config.seed, int(person), (config.min_frames, config.max_frames)
            )
            frames = [one.frame for one in scene.takes]
            poses = [scene.poses(index)[0] for index in range(scene.frames)]
            marks = [
                mark_opacity(pose, frame.shape[:2])
                for pose, frame in zip(poses, frames, strict=True)
            ]
            marked = [marked_frame(*both) for both in zip(frames, marks, strict=True)]
            masks = [np.where(mark > 0, 255, 0).astype(np.uint8) for mark in marks]
            name = f"{person}.mp4"
            write_video(root / "real" / name, frames, CRF["c23"])
            write_video(root / "marked" / name, marked, CRF["c23"])
            write_video(root / "masks" / name, masks, CRF["mask"])
            shared = {"split": split, "compression": "c23", "target": person}
            yield {**shared, "path": f"real/{name}", "label": "real"}
            yield {
                **shared,
                "path": f"marked/{name}",
                "label": "fake",
                "method": "watermark",
                "mask": f"masks/{name}",
            }


def mark_opacity(pose: Pose, shape: tuple[int, int]) -> np.ndarray:
    """The opacity (H, W) float32, 0..MARK_OPACITY, of the mark in a frame of `shape`.

    The mark is an upright square. Its middle moves and turns with the head.
    """
    side = CROP_SIDE * pose.half_width
    right = MARK_PLACE * side
    below = MARK_PLACE * side + CROP_BELOW * pose.half_width
    cos, sin = np.cos(pose.roll), np.sin(pose.roll)
    middle_x = pose.x + cos * right - sin * below
    middle_y = pose.y + sin * right + cos * below
    columns, rows = (
        np.clip(MARK_SIDE * side / 2 + 0.5 - np.abs(np.arange(length) - middle), 0, 1)
        for length, middle in ((shape[1], middle_x), (shape[0], middle_y))
    )
    return (MARK_OPACITY * np.outer(rows, columns)).astype(np.float32)


def marked_frame(frame: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """The frame (H, W, 3) uint8 with the mark blended into it."""
    marked = frame.copy()
    colours = np.broadcast_to(np.uint8(MARK_COLOUR), frame.shape)
    staging.blend(marked, colours, opacity)
    return marked


def run_corpus(folder: Path, corpus: Corpus, cores: int) -> None:
    """Write the corpus and its configuration, and run the workflow in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    miniature = MiniatureConfig(train_pairs=corpus.train_pairs, written=["c23"])
    augment = dict.fromkeys(("jpeg", "rescale", "blur", "noise"), 0.0)
    model = {"timm": "legacy_xception", "input_size": SIZE}
    model |= {"epochs": corpus.epochs, "average": corpus.average}
    config = {
        "sources": corpus.sources(folder, miniature),
        "faces": {"size": SIZE},
        "models": {MODEL: {**model, "augment": augment}},
        "attribution": {"baselines": BASELINES},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "atlases", "metrics"]
    command += ["--cores", str(cores), "--resources", "gpu=1"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", file.name]
    with open(folder / "snakemake.log", "w") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log)
    if done.returncode:
        sys.exit(f"the workflow failed: see {folder / 'snakemake.log'}")


def video_auc(result: Result) -> float:
    table = pd.read_csv(result.metrics / "videos.csv")
    chosen = table[(table["metric"] == "auc") & (table["method"] == "all")]
    return float(chosen["value"].iloc[0])


def mean_logit(result: Result, method: str) -> float:
    """The mean logit of a method's frames that are explained; NaN if there are none."""
    table = pd.read_csv(result.atlas / "cells.csv")
    chosen = table[(table["method"] == method) & (table["outcome"] == "all")]
    return float(chosen["mean_logit"].iloc[0]) if len(chosen) else np.nan


def region_logits(result: Result, method: str) -> pd.Series:
    """What each region adds to the logit of all videos of a method.

    NaN if there are none: the baseline `original` explains no real faces.
    """
    table = pd.read_csv(result.atlas / "regions.csv")
    chosen = table[(table["method"] == method) & (table["outcome"] == "all")]
    parts = chosen.set_index("region")["logits"]
    return parts.reindex([*REGIONS, OFF_GRID_REGION])


def positive_share(logits: pd.Series, corpus: Corpus) -> float:
    """The share of the positive logits that is in the regions of the corpus."""
    positive = logits.clip(lower=0)
    total = positive.sum()
    return float(positive[[*corpus.regions]].sum() / total) if total else np.nan


def positive_logits_planted(result: Result) -> float:
    logits = region_logits(result, result.corpus.method)
    return positive_share(logits, result.corpus)


def positive_difference_planted(result: Result) -> float:
    fakes = region_logits(result, result.corpus.method)
    return positive_share(fakes - region_logits(result, REAL), result.corpus)


def mask_planted(result: Result) -> float:
    """The share of the mean mask of the fakes that is in the regions of the corpus."""
    mask = result.cell.mask
    regions = region_grid(len(mask), FacesConfig().margin)
    chosen = [i for i, name in enumerate(REGIONS) if name in result.corpus.regions]
    return float(mask[np.isin(regions, chosen)].sum() / mask.sum())


def on_changed_pixels(result: Result, heat: str, score: str) -> float:
    """A score of masks.csv, of maps at the scale at which they are shown.

    NaN if the table lacks it.
    """
    table = pd.read_csv(result.atlas / "masks.csv")
    wanted = {
        "method": result.corpus.method,
        "outcome": "all",
        "truth": CHANGED,
        "scale": BLUR,
        "heat": heat,
        "score": score,
    }
    chosen = table[(table[[*wanted]] == pd.Series(wanted)).all(axis=1)]
    return float(chosen["value"].iloc[0]) if len(chosen) else np.nan


def intervention(result: Result, measure: str) -> pd.Series:
    """A measure of interventions.csv of each region, and of "all" regions.

    NaN for other baselines than `original`.
    """
    names = [*REGIONS, OFF_GRID_REGION, "all"]
    if result.baseline != ORIGINAL:
        return pd.Series(np.nan, names)
    table = pd.read_csv(result.detector / "interventions.csv")
    own = table["method"] == result.corpus.method
    chosen = table[own & (table["measure"] == measure)]
    return chosen.set_index("region")["value"].reindex(names)


def intervention_planted(result: Result, measure: str) -> float:
    """The share of a measure's positive logits that is in the planted region."""
    return positive_share(intervention(result, measure).drop("all"), result.corpus)


def additivity(result: Result, measure: str) -> float:
    """The sum of a measure over regions, as a share of the change of the logit."""
    change = intervention(result, LOGIT_CHANGE)["all"]
    return float(intervention(result, measure)["all"] / change)


def map_correlation(result: Result) -> float:
    return float(intervention(result, CORRELATION)["all"])


def region_area(result: Result) -> float:
    """The planted region's share of the picture."""
    table = pd.read_csv(result.atlas / "regions.csv")
    area = table.drop_duplicates("region").set_index("region")["area"]
    return float(area[[*result.corpus.regions]].sum())


def clusters(result: Result) -> pd.DataFrame:
    """The table of clusters, with the column lift: how much more often than in all
    maps a map of the cluster is one of a fake."""
    table = pd.read_csv(result.atlas / "clusters.csv")
    cells = pd.read_csv(result.atlas / "cluster_cells.csv")
    fakes = cells[cells["method"] == result.corpus.method]
    all_frames, fake_frames = (
        part.groupby("cluster")["frames"].sum() for part in (cells, fakes)
    )
    lift = (fake_frames / all_frames) / (fake_frames.sum() / all_frames.sum())
    return table.assign(lift=table["cluster"].map(lift))


def cluster_count(result: Result) -> float:
    return float(len(clusters(result)))


def cluster_lift(result: Result) -> float:
    return float(clusters(result)["lift"].max())


def cluster_planted(result: Result) -> float:
    """The share of the absolute attribution of the cluster with the largest lift that
    is in the planted region, as far as this is in the picture."""
    table = clusters(result)
    names = [f"share_{name}" for name in result.corpus.regions if name in REGIONS]
    return float(table.loc[table["lift"].idxmax(), names].sum())


def planted_squares(cell: CellArrays) -> np.ndarray:
    """Squares (P, P) bool that the mean mask of the fakes touches."""
    mask = pool_maps(cell.mask, POOLED_SIDE)
    return mask >= TOUCHED * (cell.mask.size / mask.size)


def significant_of_planted(result: Result) -> float:
    return float(result.significant[planted_squares(result.cell)].mean())


def significant_of_others(result: Result) -> float:
    return float(result.significant[~planted_squares(result.cell)].mean())


def planted_of_significant(result: Result) -> float:
    found = planted_squares(result.cell)[result.significant]
    return float(found.mean()) if len(found) else np.nan


def positive_heat_planted(result: Result) -> float:
    cell = result.cell
    heat = cell.pooled.clip(0)
    return float(heat[planted_squares(cell)].sum() / heat.sum())


def planted_share(result: Result) -> float:
    return float(planted_squares(result.cell).mean())


def masks_row(heat: str, score: str) -> Callable[[Result], float]:
    return lambda result: on_changed_pixels(result, heat, score)


# What is printed: a name, what a faithful atlas shows, and how it is read.
FIGURES: list[tuple[str, str, Callable[[Result], float]]] = [
    ("AUC of test videos", "near 1", video_auc),
    ("mean logit of fakes", "", lambda r: mean_logit(r, r.corpus.method)),
    ("mean logit of real faces", "", lambda r: mean_logit(r, REAL)),
    ("positive logits in the planted region", "1", positive_logits_planted),
    ("the same, fakes minus real faces", "1", positive_difference_planted),
    ("masks in the planted region", "", mask_planted),
    ("area of the planted region", "", region_area),
    ("sampled maps in the planted region", "1", lambda r: intervention_planted(r, MAP)),
    (
        "removals in the planted region",
        "1",
        lambda r: intervention_planted(r, REMOVAL),
    ),
    (
        "insertions in the planted region",
        "1",
        lambda r: intervention_planted(r, INSERTION),
    ),
    ("sum of removals / change", "", lambda r: additivity(r, REMOVAL)),
    ("sum of insertions / change", "", lambda r: additivity(r, INSERTION)),
    ("correlation of maps and effects", "near 1", map_correlation),
    ("lift on the changed pixels", "above 1", masks_row(ATTRIBUTION, "lift")),
    (
        "the same, above |x - baseline|",
        "above 0",
        masks_row(f"{ATTRIBUTION} - {CHANGE}", "lift"),
    ),
    (
        "the same, above random weights",
        "above 0",
        masks_row(f"{ATTRIBUTION} - {RANDOM}", "lift"),
    ),
    (
        "paired specificity",
        "above 0",
        masks_row(ATTRIBUTION, PAIRED_SPECIFICITY),
    ),
    (
        "the same, of random weights",
        "near 0",
        masks_row(RANDOM, PAIRED_SPECIFICITY),
    ),
    (
        "positive heat on the changed pixels",
        "1",
        masks_row(ATTRIBUTION, "relevance_mass"),
    ),
    ("area of the changed pixels", "", masks_row(ATTRIBUTION, "mask_share")),
    ("planted squares that are significant", "1", significant_of_planted),
    ("other squares that are significant", "0", significant_of_others),
    ("significant squares that are planted", "1", planted_of_significant),
    ("positive logits in planted squares", "1", positive_heat_planted),
    ("planted squares, of all", "", planted_share),
    ("clusters", "", cluster_count),
    ("lift of fakes in their cluster", "", cluster_lift),
    ("planted region in this cluster's maps", "", cluster_planted),
]


def found_table(corpus: Corpus, results: Path) -> pd.DataFrame:
    """A row for each of FIGURES, a column for each baseline."""
    columns: dict[str, list[Any]] = {"should be": [should for _, should, _ in FIGURES]}
    for baseline in BASELINES:
        result = Result(corpus, results, baseline)
        columns[baseline] = [read(result) for _, _, read in FIGURES]
    return pd.DataFrame(columns, index=[name for name, _, _ in FIGURES])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=[*CORPORA])
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    for name in args.corpora:
        run_corpus(args.folder / name, CORPORA[name], args.cores)
        table = found_table(CORPORA[name], args.folder / name / "results")
        print(f"{name}\n{table.round(3).to_string(na_rep='-')}\n", flush=True)


if __name__ == "__main__":
    main()
