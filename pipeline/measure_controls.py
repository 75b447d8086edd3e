"""Measure controls on a sample of a test shard's fakes (rule `measure_controls`)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.atlases.heats import CENTRE, centre_prior
from pipeline.atlases.reduction import MAX_GRID_SIDE
from pipeline.atlases.regions import REGIONS, region_grid, usual_points
from pipeline.atlases.registration import labels_of_crops, matrices_of
from pipeline.atlases.scales import smooth
from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.controls import (
    CURVE_COLUMNS,
    REGION_COLUMNS,
    choose_sample,
    write_controls,
)
from pipeline.attributions.explain import explain
from pipeline.attributions.face_sources import (
    check_same_faces,
    faces_for,
    open_source,
)
from pipeline.attributions.frames import frame_keys
from pipeline.attributions.interventions import (
    FRACTIONS,
    curve_logits,
    random_orders,
    region_effects,
)
from pipeline.attributions.memory_plan import BatchSize, plan_batch
from pipeline.attributions.originals import Originals
from pipeline.attributions.random_networks import MAX_IMAGES, random_network
from pipeline.attributions.shards import KEY_COLUMNS, AttributionShard
from pipeline.config.attribution import AttributionConfig
from pipeline.config.baseline_names import ORIGINAL
from pipeline.faces.shards import FaceShard, face_detector_of
from pipeline.files.checksums import file_sha256
from pipeline.models.checkpoints import load_detector
from pipeline.models.networks import ForgeryDetector, to_images
from pipeline.models.precision import compute_exactly
from pipeline.runtime.command_line import run
from pipeline.runtime.devices import pick_device, use_cores

log = logging.getLogger(__name__)

# Explains crops (N, S, S, 3) at some places of a sample with a network.
Explainer = Callable[
    [ForgeryDetector, np.ndarray, np.ndarray, AttributionConfig, BatchSize],
    dict[str, np.ndarray],
]
PLACE_OUTSIDE = "beside the picture"  # of crop pixels that the canonical grid lacks


@dataclass(frozen=True)
class Arguments:
    weights: Path
    faces: Path
    attributions: list[Path]  # of the shard, from each baseline of the configuration
    references: Path | None
    real_faces: Path | None
    originals: Path | None
    output: Path
    config: AttributionConfig
    frames: int
    margin: float
    seed: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """The sampled fakes.

    Attributes:
        rows: (n rows) their keys, and the number of their random network.
        fakes: (n, S, S, 3) uint8.
        originals: (n, S, S, 3) uint8; None if no original is aligned.
        maps: (n, S, S) float32 of each baseline; NaN for a frame without a map.
        labels: (n, S, S) int8: the region of each pixel.
    """

    rows: pd.DataFrame
    fakes: np.ndarray
    originals: np.ndarray | None
    maps: Mapping[str, np.ndarray]
    labels: np.ndarray


def main(args: Arguments) -> None:
    use_cores(args.threads)
    compute_exactly()
    detector = load_detector(args.weights, pick_device())
    sample = read_sample(args)
    batch = BatchSize(
        args.config.batch_size or plan_batch(detector, sample.fakes.shape[1])
    )
    log.info("%d fakes, %d gradients at once", len(sample.rows), batch.images)
    maps = control_maps(args, detector, sample, batch)
    regions, curves = measure_interventions(args, detector, sample, batch.images)
    provenance = {
        "attribution": args.config.model_dump(),
        "seed": args.seed,
        "detector": detector.spec.timm,
        "sha256": {"weights": file_sha256(args.weights)},
    }
    write_controls(args.output, sample.rows, maps, regions, curves, provenance)


def read_sample(args: Arguments) -> Sample:
    """Choose the sampled fakes, and read all that is measured on them."""
    aligned = originals = None
    baselines: list[str] = [*args.config.baselines]
    names = dict(zip(baselines, args.attributions, strict=True))
    with AttributionShard(names[most_frames(baselines)]) as shard:
        frames = shard.frames[list(KEY_COLUMNS)]
    if args.originals:
        with Originals(args.originals) as file:
            aligned = file.aligned
    rows = choose_sample(frames, aligned, args.frames)
    places = rows["crop"].to_numpy(np.intp)
    if args.originals and aligned is not None and aligned[places].all() and len(rows):
        with Originals(args.originals) as file:
            originals = file.crops_of(places)
    with FaceShard(args.faces) as shard:
        fakes = shard.crops[places]
        side = fakes.shape[1]
        grid = min(side, MAX_GRID_SIDE)
        has_landmarks = face_detector_of(args.faces)["name"] != "haar"
        points = usual_points(has_landmarks)
        matrices = matrices_of(shard, places, grid)
    labels = labels_of_crops(
        region_grid(grid, args.margin, points), matrices, side, beyond=len(REGIONS)
    )
    maps = {name: maps_of(path, places, side) for name, path in names.items()}
    return Sample(rows, fakes, originals, maps, labels)


def most_frames(baselines: Sequence[str]) -> str:
    """A baseline from which all frames are explained, if there is one."""
    return next((name for name in baselines if name != ORIGINAL), baselines[0])


def maps_of(path: Path, crops: np.ndarray, side: int) -> np.ndarray:
    """The maps of the given crops of a shard, (n, side, side) float32; NaN if none."""
    found = np.full((len(crops), side, side), np.nan, np.float32)
    with AttributionShard(path) as shard:
        places = {crop: place for place, crop in enumerate(shard.frames["crop"])}
        for number, crop in enumerate(crops):
            if crop in places:
                found[number] = shard.maps[places[crop]]
    return found


def explainer_from(args: Arguments, baseline: str, sample: Sample) -> Explainer:
    """A function that explains crops of the sample from a baseline."""
    with open_source(
        baseline,
        references=args.references,
        real_faces=args.real_faces,
        originals=args.originals,
    ) as source:
        file = args.references if baseline == "mean_face" else args.real_faces
        check_same_faces(source, file, args.faces, face_detector_of(args.faces))
        faces, _ = faces_for(source, sample.fakes, sample.rows)
    keys = frame_keys(sample.rows)

    def explained(
        network: ForgeryDetector,
        crops: np.ndarray,
        places: np.ndarray,
        config: AttributionConfig,
        batch: BatchSize,
    ) -> dict[str, np.ndarray]:
        baselines = make_baselines(
            baseline,
            crops[places],
            [keys[place] for place in places],
            faces=None if faces is None else faces[places],
            draws=args.config.noise_draws,
            seed=args.seed,
        )
        return explain(
            network, crops[places], baselines, config=config, batch_size=batch
        )

    return explained


def control_maps(
    args: Arguments, detector: ForgeryDetector, sample: Sample, batch: BatchSize
) -> dict[str, dict[str, np.ndarray]]:
    """The control maps of each baseline: see the layout of the shard."""
    every = np.arange(len(sample.rows))
    if not len(every):
        return {}
    shape = sample.fakes.shape[:3]
    found: dict[str, dict[str, np.ndarray]] = {}
    jobs: list[tuple[str, str, np.ndarray, Explainer]] = []
    for baseline in args.config.baselines:
        if baseline == ORIGINAL and sample.originals is None:
            continue
        explainer = explainer_from(args, baseline, sample)
        found[baseline] = {"random": np.zeros(shape, np.float16)}
        jobs.append((baseline, "random", sample.fakes, explainer))
        if sample.originals is None or baseline == ORIGINAL:
            continue
        real = explainer(detector, sample.originals, every, args.config, batch)
        found[baseline] |= {"real": real["maps"], "real_change": real["changes"]}
        found[baseline]["random_real"] = np.zeros(shape, np.float16)
        jobs.append((baseline, "random_real", sample.originals, explainer))
    device = detector.get_buffer("mean").device
    images = to_images(torch.from_numpy(sample.fakes[:MAX_IMAGES]).to(device))
    steps = {"max_steps": args.config.first_steps}
    config = args.config.model_copy(update=steps)
    for number, part in sample.rows.groupby("network"):
        network = random_network(detector.spec, int(str(number)), args.seed, images)
        places = part.index.to_numpy()
        for start, name, crops, explainer in jobs:
            maps = explainer(network, crops, places, config, batch)["maps"]
            found[start][name][places] = maps
    return found


def measure_interventions(
    args: Arguments, detector: ForgeryDetector, sample: Sample, batch_size: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of regions and of curves; empty without aligned originals."""
    rows = sample.rows[list(KEY_COLUMNS)]
    if sample.originals is None:
        columns = REGION_COLUMNS, CURVE_COLUMNS
        return pd.DataFrame(columns=columns[0]), pd.DataFrame(columns=columns[1])
    pair = detector, sample.fakes, sample.originals
    names = [*REGIONS, PLACE_OUTSIDE]
    removal, insertion, ends = region_effects(
        *pair, sample.labels, len(names), batch_size
    )
    rows = rows.assign(fake_logit=ends[:, 0], original_logit=ends[:, 1])
    heatmaps = sample.maps.get(ORIGINAL)
    regions = []
    for number, name in enumerate(names):
        inside = sample.labels == number
        logits = np.nan
        if heatmaps is not None:
            logits = (heatmaps * inside).sum((1, 2), dtype=np.float64)
        regions.append(
            rows.assign(
                region=name,
                area=inside.mean((1, 2)),
                removal=removal[:, number],
                insertion=insertion[:, number],
                map_logits=logits,
            )
        )
    curves = []
    for name, heats in orders_of(args, sample).items():
        inserted, deleted = curve_logits(*pair, heats, batch_size)
        for column, fraction in enumerate(FRACTIONS):
            curves.append(
                rows.assign(
                    order=name,
                    fraction=fraction,
                    insertion=inserted[:, column],
                    deletion=deleted[:, column],
                )
            )
    return pd.concat(regions, ignore_index=True), pd.concat(curves, ignore_index=True)


def orders_of(args: Arguments, sample: Sample) -> dict[str, np.ndarray]:
    """The heats (n, S, S) that order the pixels of curves: maps, and controls."""
    assert sample.originals is not None
    side = sample.fakes.shape[1]
    change = np.abs(sample.fakes.astype(np.float32) - sample.originals).sum(-1)
    heats: dict[str, Any] = {
        name: np.nan_to_num(maps) for name, maps in sample.maps.items()
    }
    heats["|x - original|"] = change
    found = {name: np.stack([smooth(h) for h in maps]) for name, maps in heats.items()}
    found["random"] = random_orders(frame_keys(sample.rows), side, args.seed)
    found[CENTRE] = np.broadcast_to(centre_prior(side), change.shape)
    return found


if __name__ == "__main__":
    run(main, Arguments)
