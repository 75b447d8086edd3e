"""How many gradients a map costs: ours to a stated error, captum with fixed steps.

    python -m benchmarks.attribution RESULTS [--images N] [--baselines NAME ...]

RESULTS is the folder of a finished run: its trained models explain N test crops, evenly
spread, from each baseline (noise: the mean over the configuration's draws). captum's
Integrated Gradients (Gauss-Legendre) are tried with more and more steps, until 99 % of
the maps have a completeness error of 5 % at most; its default, 50, is always among
them. Both are handed as many images at once as fill their batches. Columns:

    gradients, p95, most   computed for a map: mean, 95th percentile, largest
    seconds, p95 s         for a map, wall time: of a batch, as much as it has gradients
    under 5 %              share of the maps with at most that completeness error
    map error              median L1 distance to the map of captum's most steps tried,
                           as a share of its L1 norm: what completeness is blind to

Below each table, the limit: gradients a second of a bare loop of forward and backward
passes over a batch that is already there, just before ours and just after, and ours as
a part of it.
"""

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.explain import explain
from pipeline.attributions.frames import frame_keys
from pipeline.attributions.memory_plan import BatchSize, plan_batch
from pipeline.attributions.originals import Originals
from pipeline.attributions.references import References
from pipeline.config.attribution import AttributionConfig, Baseline
from pipeline.faces.shards import FaceShard
from pipeline.models.checkpoints import load_detector
from pipeline.models.networks import ForgeryDetector
from pipeline.models.precision import compute_exactly
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.statistics.sampling import evenly_spaced

COUNTS = (16, 32, 50, 64, 100, 200, 300)
ENOUGH = 0.99  # of the maps
TOLERANCE = 0.05
LOOP = 4  # batches
EVERY = Baseline.__args__


def some_crops(results: Path, count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows and crops of `count` frames spread evenly over the test shards, with the
    crops of their originals (black where there are none) stacked behind."""
    rows, crops, originals = [], [], []
    for path in sorted((results / "faces").glob("*-test-*.h5")):
        with ExitStack() as stack:
            shard = stack.enter_context(FaceShard(path))
            frames = shard.labelled_frames()
            frames = frames.assign(row=np.arange(len(frames)))
            rows.append(frames)
            crops.append(shard.crops[:])
            file = results / "attributions/originals" / path.name
            if file.is_file():
                aligned = stack.enter_context(Originals(file))
                originals.append(aligned.crops_of(frames["row"].to_numpy()))
            else:
                originals.append(np.zeros_like(crops[-1]))
    table = pd.concat(rows, ignore_index=True)
    picked = evenly_spaced(len(table), count)
    stacked = np.stack(
        [np.concatenate(crops)[picked], np.concatenate(originals)[picked]]
    )
    return table.iloc[picked], stacked


def bare_loop(detector: ForgeryDetector, size: int, batch: int) -> float:
    """Seconds of a loop of LOOP batches that does nothing else, once it is warm."""
    device = next(detector.parameters()).device
    images = torch.rand(batch, 3, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    for number in range(LOOP + 1):
        if number == 1:
            start = time.perf_counter()
        points = images.clone().requires_grad_(True)
        torch.autograd.grad(detector(points).sum(), points)[0].sum().item()
    return time.perf_counter() - start


def measured(found: dict[str, np.ndarray], seconds: float) -> dict[str, float]:
    steps = found["steps"]
    nearly_all = np.quantile(steps, 0.95, method="inverted_cdf")
    return {
        "gradients": steps.mean(),
        "p95": nearly_all,
        "most": steps.max(),
        "seconds": seconds / len(steps),
        "p95 s": seconds * nearly_all / steps.sum(),
        "under 5 %": float((found["completeness_error"] <= TOLERANCE).mean()),
    }


def compare(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: Sequence[np.ndarray],
    config: AttributionConfig,
    batch: int,
    counts: Sequence[int],
) -> tuple[pd.DataFrame, float, float]:
    """A table with a row for ours and for each count of captum's; gradients a second of
    ours, and of the bare loop."""
    bare = bare_loop(detector, crops.shape[1], batch)
    start = time.perf_counter()
    size = BatchSize(batch)
    ours = explain(detector, crops, baselines, config=config, batch_size=size)
    seconds = time.perf_counter() - start
    bare += bare_loop(detector, crops.shape[1], batch)
    rows = {"ours": measured(ours, seconds)}
    maps = {"ours": ours["maps"]}
    for count in counts:
        fixed = config.model_copy(update={"engine": "captum", "steps": count})
        start = time.perf_counter()
        size = BatchSize(batch)
        found = explain(detector, crops, baselines, config=fixed, batch_size=size)
        name = f"captum {count}"
        rows[name] = measured(found, time.perf_counter() - start)
        maps[name] = found["maps"]
        if rows[name]["under 5 %"] >= ENOUGH and count >= min(50, counts[-1]):
            break
    best = maps[name].astype(np.float64)
    strength = np.abs(best).sum((1, 2))
    for name, of in maps.items():
        rows[name]["map error"] = np.median(np.abs(of - best).sum((1, 2)) / strength)
    rates = ours["steps"].sum() / seconds, 2 * LOOP * batch / bare
    return pd.DataFrame(rows).T, *rates


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--baselines", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    rows, (crops, originals) = some_crops(args.results, args.images)
    config = AttributionConfig(tolerance=TOLERANCE)
    use_cores(os.cpu_count())
    compute_exactly()
    weights = sorted((args.results / "models").glob("*/*/weights.safetensors"))
    for path in weights:
        model, protocol = path.parts[-3:-1]
        detector = load_detector(path, pick_device())
        batch = args.batch or plan_batch(detector, crops.shape[1])
        for kind in args.baselines:
            with References(
                args.results / "attributions/references" / f"{protocol}.h5"
            ) as faces:
                baselines = list(
                    make_baselines(
                        kind,
                        crops,
                        frame_keys(rows),
                        references=faces,
                        originals=originals,
                        draws=config.noise_draws,
                    )
                )
            table, rate, bare = compare(
                detector, crops, baselines, config, batch, args.counts
            )
            print(
                f"\n{model}/{protocol}, {kind}: {len(crops)} maps, batches of {batch}"
            )
            print(table.round(3).to_string())
            part, hourly = rate / bare, 3600 * rate / table["gradients"]["ours"]
            print(f"bare loop {bare:.1f} gradients/s; ours {part:.2f} of it", end="")
            print(f", {hourly:.0f} maps an hour", flush=True)


if __name__ == "__main__":
    main()
