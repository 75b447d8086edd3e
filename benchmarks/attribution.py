"""Gradients for each map: ours to a stated error, captum with a fixed number of steps.

    python -m benchmarks.attribution RESULTS [--images N] [--baselines NAME ...]

RESULTS is the folder of a finished run. Its trained models explain N evenly spaced test
crops from each baseline. For noise, a map is the mean over the draws of the
configuration. The Integrated Gradients of captum (Gauss-Legendre) run with more and
more steps, until 99 % of the maps have a completeness error of at most 5 %. The default
of captum, 50 steps, is always among these runs. Both get enough images at once to fill
their batches. Completeness is the error of the sum of a map. It does not certify the
map: errors of pixels can cancel out. Columns:

    gradients, p95, most   gradients of a map: mean, 95th percentile, largest number
    seconds, p95 s         wall time of a map, in proportion to its gradients
    under 5 %              share of the maps with at most this completeness error
    map error              median L1 distance to the map of captum with the most steps,
                           as a share of the L1 norm of that map

Each table is followed by the limit, in gradients a second: a bare loop of forward and
backward passes over a batch in memory, timed before and after ours. Then follows our
rate as a share of this limit.
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
from pipeline.attributions.real_faces import RealFaces
from pipeline.attributions.references import References
from pipeline.config.attribution import AttributionConfig
from pipeline.config.baseline_names import Baseline
from pipeline.faces.shards import FaceShard
from pipeline.models.checkpoints import load_detector
from pipeline.models.networks import ForgeryDetector
from pipeline.models.precision import compute_exactly
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.statistics.sampling import evenly_spaced

CAPTUM_STEPS = (16, 32, 50, 64, 100, 200, 300)
CAPTUM_DEFAULT_STEPS = 50
MIN_CONVERGED_SHARE = 0.99  # of the maps; captum is not tried with more steps
TOLERANCE = 0.05
TIMED_BATCHES = 4
BASELINES = Baseline.__args__


def some_crops(results: Path, count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Pick `count` frames, evenly spaced over the test shards.

    Returns their rows, with the column `aligned`, and an array (2, count, S, S, 3)
    uint8: their crops, then the crops of their originals. These are black where there
    are none.
    """
    rows, crops, originals = [], [], []
    for path in sorted((results / "faces").glob("*-test-*.h5")):
        with ExitStack() as stack:
            shard = stack.enter_context(FaceShard(path))
            frames = shard.labelled_frames()
            crops.append(shard.crops[:])
            file = results / "attributions/originals" / path.name
            if file.is_file():
                found = stack.enter_context(Originals(file))
                rows.append(frames.assign(aligned=found.aligned))
                originals.append(found.crops_of(np.arange(len(frames))))
            else:
                rows.append(frames.assign(aligned=False))
                originals.append(np.zeros_like(crops[-1]))
    table = pd.concat(rows, ignore_index=True)
    picked = evenly_spaced(len(table), count)
    stacked = np.stack(
        [np.concatenate(crops)[picked], np.concatenate(originals)[picked]]
    )
    return table.iloc[picked], stacked


def faces_for(
    kind: str,
    results: Path,
    protocol: str,
    rows: pd.DataFrame,
    pictures: np.ndarray,
) -> np.ndarray | None:
    """The faces that baselines are made from; None if they are made from none.

    `pictures` (2, N, S, S, 3) are crops and their originals.
    """
    crops, originals = pictures
    folder = results / "attributions"
    if kind == "original":
        return originals
    if kind == "nearest_real":
        with RealFaces(folder / "real_faces.h5") as real:
            return real.crops_of(real.nearest(crops, rows))
    if kind == "mean_face":
        with References(folder / "references" / f"{protocol}.h5") as references:
            return np.broadcast_to(references.mean_face, crops.shape)
    return None


def bare_loop(detector: ForgeryDetector, size: int, batch: int) -> float:
    """Seconds that TIMED_BATCHES batches take, after one batch that is not timed."""
    device = next(detector.parameters()).device
    images = torch.rand(batch, 3, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    for number in range(TIMED_BATCHES + 1):
        if number == 1:
            start = time.perf_counter()
        points = images.clone().requires_grad_(True)
        torch.autograd.grad(detector(points).sum(), points)[0].sum().item()
    return time.perf_counter() - start


def measured(found: dict[str, np.ndarray], seconds: float) -> dict[str, float]:
    """A row of the table, from what `explain` found in `seconds`."""
    steps = found["steps"]
    p95 = np.quantile(steps, 0.95, method="inverted_cdf")
    return {
        "gradients": steps.mean(),
        "p95": p95,
        "most": steps.max(),
        "seconds": seconds / len(steps),
        "p95 s": seconds * p95 / steps.sum(),
        "under 5 %": float((found["completeness_error"] <= TOLERANCE).mean()),
    }


def compare(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: Sequence[np.ndarray],
    *,
    config: AttributionConfig,
    batch: int,
    counts: Sequence[int],
) -> tuple[pd.DataFrame, float, float]:
    """Explain the same crops with our engine and with captum.

    Returns a table with one row for ours and one for each number of steps of captum,
    the gradients a second of ours, and the gradients a second of the bare loop.
    """
    bare = bare_loop(detector, crops.shape[1], batch)
    start = time.perf_counter()
    size = BatchSize(batch)
    ours = explain(detector, crops, baselines, config=config, batch_size=size)
    seconds = time.perf_counter() - start
    bare += bare_loop(detector, crops.shape[1], batch)
    rows = {"ours": measured(ours, seconds)}
    maps = {"ours": ours["maps"]}
    last_required = min(CAPTUM_DEFAULT_STEPS, counts[-1])
    for count in counts:
        fixed = config.model_copy(update={"engine": "captum", "steps": count})
        start = time.perf_counter()
        size = BatchSize(batch)
        found = explain(detector, crops, baselines, config=fixed, batch_size=size)
        name = f"captum {count}"
        rows[name] = measured(found, time.perf_counter() - start)
        maps[name] = found["maps"]
        if rows[name]["under 5 %"] >= MIN_CONVERGED_SHARE and count >= last_required:
            break
    reference = maps[name].astype(np.float64)
    norms = np.abs(reference).sum((1, 2))
    for name, heatmaps in maps.items():
        distances = np.abs(heatmaps - reference).sum((1, 2))
        rows[name]["map error"] = np.median(distances / norms)
    rates = ours["steps"].sum() / seconds, 2 * TIMED_BATCHES * batch / bare
    return pd.DataFrame(rows).T, *rates


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--baselines", nargs="+", choices=BASELINES, default=BASELINES)
    parser.add_argument("--counts", type=int, nargs="+", default=CAPTUM_STEPS)
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    every_row, every_picture = some_crops(args.results, args.images)
    config = AttributionConfig(tolerance=TOLERANCE)
    use_cores(os.cpu_count())
    compute_exactly()
    weights = sorted((args.results / "models").glob("*/*/weights.safetensors"))
    for path in weights:
        model, protocol = path.parts[-3:-1]
        detector = load_detector(path, pick_device())
        batch = args.batch or plan_batch(detector, every_picture.shape[2])
        for kind in args.baselines:
            used = every_row["aligned"].to_numpy(bool) | (kind != "original")
            rows, pictures = every_row[used], every_picture[:, used]
            crops = pictures[0]
            faces = faces_for(kind, args.results, protocol, rows, pictures)
            keys = frame_keys(rows)
            baselines = list(
                make_baselines(kind, crops, keys, faces=faces, draws=config.noise_draws)
            )
            table, rate, bare = compare(
                detector,
                crops,
                baselines,
                config=config,
                batch=batch,
                counts=args.counts,
            )
            print(
                f"\n{model}/{protocol}, {kind}: {len(crops)} maps, batches of {batch}"
            )
            print(table.round(3).to_string())
            share, hourly = rate / bare, 3600 * rate / table["gradients"]["ours"]
            print(f"bare loop {bare:.1f} gradients/s; ours {share:.2f} of it", end="")
            print(f", {hourly:.0f} maps an hour", flush=True)


if __name__ == "__main__":
    main()
