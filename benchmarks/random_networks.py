"""Whether networks with random weights explain more than where a frame was changed.

    python -m benchmarks.random_networks results [--networks 10] [--frames 32]

For each model of a finished run, networks of the same architecture with random weights
explain a sample of the fakes of the first test shard. Their score is the relevance
mass: the share of the positive attribution that lies in the mask. The excess is this
share minus that of |x - baseline| of the same frames, which knows no network. A
detector shows something of its own only if its excess is larger than those of random
networks. Its excess for the same frames stands beside them.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t

from pipeline.atlases.mask_agreement import rank_heat, relevance_mass
from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.controls import choose_sample
from pipeline.attributions.explain import explain
from pipeline.attributions.face_sources import faces_for, open_source
from pipeline.attributions.frames import choose_frames, frame_keys
from pipeline.attributions.memory_plan import BatchSize
from pipeline.attributions.originals import Originals
from pipeline.attributions.random_networks import random_network
from pipeline.config.attribution import AttributionConfig
from pipeline.faces.shards import FaceShard
from pipeline.models.checkpoints import load_detector
from pipeline.models.networks import to_images
from pipeline.models.precision import compute_exactly
from pipeline.runtime.devices import pick_device

BASELINES = ("black", "nearest_real", "original")
TRUTHS = ("official mask", "changed pixels")


def excess(maps: np.ndarray, changes: np.ndarray, masks: np.ndarray) -> float:
    """The mean over frames of the relevance mass of maps, minus that of changes.

    All are (n, S, S). Frames without a mask are left out.
    """
    found = [
        relevance_mass(rank_heat(heat), mask) - relevance_mass(rank_heat(change), mask)
        for heat, change, mask in zip(maps, changes, masks, strict=True)
        if mask.any() and not mask.all()
    ]
    return float(np.nanmean(found))


def measure(results: Path, weights: Path, networks: int, frames: int) -> pd.DataFrame:
    """The excess of each network and of the detector, by baseline and truth."""
    faces = sorted(results.glob("faces/*-test-*.h5"))[0]
    originals = results / "attributions" / "originals" / faces.name
    device = pick_device()
    detector = load_detector(weights, device)
    config = AttributionConfig()
    batch = BatchSize(64)
    rows, model = [], weights.parts[-3]
    with FaceShard(faces) as shard, Originals(originals) as known:
        explained = choose_frames(shard.labelled_frames(), 1)
        sample = choose_sample(explained, known.aligned, frames)
        places = sample["crop"].to_numpy()
        crops = shard.crops[places]
        masks = {TRUTHS[0]: shard.masks[places], TRUTHS[1]: known.changed_of(places)}
    images = to_images(torch.from_numpy(crops).to(device))
    found = {"detector": detector}
    for number in range(networks):
        found[str(number)] = random_network(detector.spec, number, 0, images)
    for baseline in BASELINES:
        with open_source(
            baseline,
            references=None,
            real_faces=results / "attributions" / "real_faces.h5",
            originals=originals,
        ) as source:
            starts, _ = faces_for(source, crops, sample)
        for name, network in found.items():
            steps = {} if name == "detector" else {"max_steps": config.first_steps}
            maps = explain(
                network,
                crops,
                make_baselines(baseline, crops, frame_keys(sample), faces=starts),
                config=config.model_copy(update=steps),
                batch_size=batch,
            )
            for truth, mask in masks.items():
                value = excess(maps["maps"], maps["changes"], mask)
                rows.append((model, baseline, truth, name, value))
    return pd.DataFrame(
        rows, columns=["model", "baseline", "truth", "network", "value"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--frames", type=int, default=32)
    args = parser.parse_args()
    compute_exactly()
    for weights in sorted(args.results.glob("models/*/*/weights.safetensors")):
        table = measure(args.results, weights, args.networks, args.frames)
        for names, part in table.groupby(["model", "baseline", "truth"], sort=False):
            own = part[part["network"] == "detector"]["value"].item()
            values = part[part["network"] != "detector"]["value"]
            reach = t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5
            mean = values.mean()
            print(
                f"{', '.join(names)}: random networks {mean:+.3f} "
                f"({mean - reach:+.3f} to {mean + reach:+.3f}), detector {own:+.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
