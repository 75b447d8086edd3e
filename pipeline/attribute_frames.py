"""Integrated Gradients of one model over a test shard (rule `attribute_frames`)."""

import json
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attribution_shards import KEYS, writing_attributions
from pipeline.baselines import frame_keys, make_baselines
from pipeline.checksums import file_sha256
from pipeline.code_version import code_version
from pipeline.command_line import log, parse, run
from pipeline.config.attribution import AttributionConfig
from pipeline.devices import pick_device, set_threads
from pipeline.errors import StepError
from pipeline.explaining import explain
from pipeline.face_shards import FaceShard
from pipeline.memory_plan import plan_batch
from pipeline.networks import load_detector
from pipeline.originals import Originals
from pipeline.progress import progress
from pipeline.references import References
from pipeline.resume import finished_parts
from pipeline.sampling import evenly_spaced

# Images explained together, at most: what a killed job does again. A GPU wants long
# queues; where few gradients are computed at once, so few images keep them coming.
CHUNK = {"cpu": 16, "cuda": 512}
QUEUE = 4  # images, for each gradient of a batch


def main() -> None:
    files = ["weights", "faces", "references", "output"]
    texts = ["originals", "baseline", "config", "seed", "threads"]
    args = parse(__doc__, files=files, texts=texts)
    config = AttributionConfig.model_validate_json(args.config)
    set_threads(int(args.threads))
    device = pick_device()
    detector = load_detector(args.weights, device)
    provenance = {
        "attribution": config.model_dump(exclude={"baselines"}),
        "baseline": args.baseline,
        "seed": int(args.seed),
        "detector": detector.spec.timm,
        "versions": {name: version(name) for name in ("torch", "timm", "captum")},
    }
    inputs = [args.weights, args.faces, args.references, args.originals]
    sums = [file_sha256(Path(path)) for path in inputs if path]
    work = [sums, provenance, code_version("attribute_frames"), device.type]
    given = Originals(Path(args.originals)) if args.originals else nullcontext()
    with (
        FaceShard(args.faces) as shard,
        References(args.references) as references,
        given as originals,
    ):
        frames = choose_frames(shard.labelled_frames(), config.frames)
        size = shard.crops.shape[1]
        batch_size = config.batch_size or plan_batch(detector, size)
        log.info("%d crops, %d gradients at once", len(frames), batch_size)
        chunk = min(CHUNK[device.type], QUEUE * batch_size)
        work = json.dumps([*work, chunk])
        with (
            finished_parts(args.output, work) as parts,
            writing_attributions(args.output, size, provenance, args.baseline) as out,
        ):
            starts = range(0, len(frames), chunk)
            for start in progress(starts, len(starts), "attribute", "chunks"):
                rows = frames[start : start + chunk]
                if str(start) not in parts:
                    crops, wanted = shard.crops[rows["crop"]], rows["crop"].to_numpy()
                    aligned = originals.crops_of(wanted) if originals else None
                    baselines = make_baselines(
                        *(args.baseline, crops, frame_keys(rows), references, aligned),
                        draws=config.noise_draws,
                        seed=int(args.seed),
                    )
                    found = explain(detector, crops, baselines, config, batch_size)
                    check_finite(found, rows, args.weights)
                    own = (
                        originals.aligned[wanted] if originals else np.zeros(len(rows))
                    )
                    parts.save(str(start), {**found, "aligned": own.astype(bool)})
                found = parts.load(str(start))
                out.add(found.pop("maps"), rows.assign(**found))


def check_finite(
    found: dict[str, np.ndarray], rows: pd.DataFrame, weights: Path
) -> None:
    """Raise StepError if a map has values that are no numbers."""
    wrong = ~np.isfinite(found["maps"]).all((1, 2))
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise StepError(
            f"{weights}: the model's logit or its gradient is not finite on the way to "
            f"frame {first['number']} of {first['video']} ({wrong.sum()} of "
            f"{len(wrong)} frames). Train this model again, with a lower "
            "`learning_rate`."
        )


def choose_frames(frames: pd.DataFrame, wanted: int | None) -> pd.DataFrame:
    """`wanted` evenly spaced crops of each video (all if None), with their row."""
    frames = frames.assign(crop=np.arange(len(frames)))[KEYS]
    if wanted is None:
        return frames
    parts = [
        part.iloc[evenly_spaced(len(part), wanted)]
        for _, part in frames.groupby("video")
    ]
    return pd.concat(parts).sort_values("crop") if parts else frames


if __name__ == "__main__":
    run(main)
