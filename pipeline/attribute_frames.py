"""Integrated Gradients of one model over a test shard (rule `attribute_frames`)."""

import json
import logging
from argparse import Namespace
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.explain import explain
from pipeline.attributions.frames import check_finite, choose_frames, frame_keys
from pipeline.attributions.memory_plan import BatchSize, plan_batch
from pipeline.attributions.originals import Originals
from pipeline.attributions.references import References
from pipeline.attributions.shards import writing_attributions
from pipeline.config.attribution import AttributionConfig
from pipeline.faces.shards import FaceShard
from pipeline.files.checksums import file_sha256
from pipeline.files.finished_parts import finished_parts
from pipeline.models.checkpoints import load_detector
from pipeline.models.precision import compute_exactly
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.runtime.progress import progress

log = logging.getLogger(__name__)

# Images explained together, at most: what a killed job does again. The last of them do
# not fill a batch, so that there are some batches' worth of images to each.
CHUNK = {"cpu": 64, "cuda": 2048}
QUEUE = 4  # images, for each gradient of a batch


def main() -> None:
    files = ["weights", "faces", "references", "output"]
    texts = ["originals", "baseline", "config", "seed", "threads"]
    args = parse(__doc__, files=files, texts=texts)
    config = AttributionConfig.model_validate_json(args.config)
    use_cores(int(args.threads))
    compute_exactly()
    device = pick_device()
    detector = load_detector(args.weights, device)
    provenance = provenance_of(args, config, detector.spec.timm)
    given = Originals(Path(args.originals)) if args.originals else nullcontext()
    with (
        FaceShard(args.faces) as shard,
        References(args.references) as references,
        given as originals,
    ):
        frames = choose_frames(shard.labelled_frames(), config.frames)
        aligned = originals.aligned[frames["crop"]] if originals else False
        frames = frames.assign(aligned=aligned)
        size = shard.crops.shape[1]
        batch_size = BatchSize(config.batch_size or plan_batch(detector, size))
        log.info("%d crops, %d gradients at once", len(frames), batch_size.images)
        chunk = min(CHUNK[device.type], QUEUE * batch_size.images)
        work = [provenance, code_version("attribute_frames"), device.type, chunk]
        starts = range(0, len(frames), chunk)
        with (
            finished_parts(args.output, json.dumps(work)) as parts,
            writing_attributions(args.output, size, provenance, args.baseline) as out,
        ):
            for start in progress(starts, len(starts), "attribute", "chunks"):
                rows = frames[start : start + chunk]
                if str(start) not in parts:
                    crops, wanted = shard.crops[rows["crop"]], rows["crop"].to_numpy()
                    own = originals.crops_of(wanted) if originals else None
                    baselines = make_baselines(
                        *(args.baseline, crops, frame_keys(rows), references, own),
                        draws=config.noise_draws,
                        seed=int(args.seed),
                    )
                    found = explain(detector, crops, baselines, config, batch_size)
                    check_finite(found, rows, args.weights)
                    parts.save(str(start), found)
                found = parts.load(str(start))
                out.add(found.pop("maps"), rows.assign(**found))


def provenance_of(
    args: Namespace, config: AttributionConfig, network: str
) -> dict[str, Any]:
    """What maps are made from, and how."""
    names = ["weights", "faces", "references", "originals"]
    given = {name: getattr(args, name) for name in names}
    return {
        "attribution": config.model_dump(exclude={"baselines"}),
        "baseline": args.baseline,
        "seed": int(args.seed),
        "detector": network,
        "sha256": {n: file_sha256(Path(file)) for n, file in given.items() if file},
        "versions": {name: version(name) for name in ("torch", "timm", "captum")},
    }


if __name__ == "__main__":
    run(main)
