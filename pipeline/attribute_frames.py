"""Attribute the logits of a test shard to pixels (rule `attribute_frames`)."""

import json
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.explain import explain
from pipeline.attributions.face_sources import (
    check_same_faces,
    faces_for,
    open_source,
)
from pipeline.attributions.frames import check_finite, choose_frames, frame_keys
from pipeline.attributions.memory_plan import BatchSize, plan_batch
from pipeline.attributions.originals import Originals
from pipeline.attributions.shards import writing_attributions
from pipeline.config.attribution import AttributionConfig
from pipeline.faces.shards import FaceShard, face_detector_of
from pipeline.files.checksums import file_sha256
from pipeline.files.finished_parts import finished_parts
from pipeline.models.checkpoints import load_detector
from pipeline.models.face_detectors import check_face_detector
from pipeline.models.precision import compute_exactly
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import run
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.runtime.progress import progress

log = logging.getLogger(__name__)

# The largest number of crops in a chunk. A killed job repeats its last chunk.
MAX_CHUNK = {"cpu": 64, "cuda": 2048}
# Crops in a chunk, for each gradient of a batch. The last batches of a chunk are not
# full, so a chunk should fill several batches.
CROPS_PER_GRADIENT = 4
# The arrays of a shard, in the order of `AttributionShardWriter.add`.
ARRAYS = ("maps", "nested_differences", "changes")


@dataclass(frozen=True)
class Arguments:
    weights: Path
    faces: Path
    references: Path | None
    real_faces: Path | None
    originals: Path | None
    output: Path
    baseline: str
    config: AttributionConfig
    seed: int
    threads: int


def main(args: Arguments) -> None:
    use_cores(args.threads)
    compute_exactly()
    device = pick_device()
    detector = load_detector(args.weights, device)
    face_detector = face_detector_of(args.faces)
    check_face_detector(args.weights, args.faces, face_detector)
    provenance = provenance_of(args, detector.spec.timm)
    with (
        FaceShard(args.faces) as shard,
        open_source(
            args.baseline,
            references=args.references,
            real_faces=args.real_faces,
            originals=args.originals,
        ) as source,
    ):
        file = args.references or args.real_faces
        check_same_faces(source, file, args.faces, face_detector)
        frames = choose_frames(shard.labelled_frames(), args.config.frames)
        if isinstance(source, Originals):
            frames = frames[source.aligned[frames["crop"]]]
        size = shard.crops.shape[1]
        planned = args.config.batch_size or plan_batch(detector, size)
        batch_size = BatchSize(planned)
        log.info("%d crops, %d gradients at once", len(frames), batch_size.images)

        def explained(rows: pd.DataFrame) -> dict[str, np.ndarray]:
            """The maps of some of `frames`, and the columns that `explain` adds."""
            places = rows["crop"].to_numpy()
            crops = shard.crops[places]
            faces, videos = faces_for(source, crops, rows)
            baselines = make_baselines(
                args.baseline,
                crops,
                frame_keys(rows),
                faces=faces,
                draws=args.config.noise_draws,
                seed=args.seed,
            )
            found = explain(
                detector, crops, baselines, config=args.config, batch_size=batch_size
            )
            check_finite(found, rows, args.weights)
            return {**found, "baseline_video": videos}

        chunk = min(MAX_CHUNK[device.type], CROPS_PER_GRADIENT * batch_size.images)
        work = [provenance, code_version("attribute_frames"), device.type, chunk]
        starts = range(0, len(frames), chunk)
        with (
            finished_parts(args.output, json.dumps(work)) as parts,
            writing_attributions(args.output, size, provenance, args.baseline) as out,
        ):
            for start in progress(starts, len(starts), "attribute", "chunks"):
                rows, part = frames[start : start + chunk], str(start)
                if part not in parts:
                    parts.save(part, explained(rows))
                found = parts.load(part)
                maps, nested, changes = (found.pop(name) for name in ARRAYS)
                out.add(maps, nested, changes, rows.assign(**found))


def provenance_of(args: Arguments, network: str) -> dict[str, Any]:
    """What the maps are made from, and how: recorded in the output file."""
    files = {
        "weights": args.weights,
        "faces": args.faces,
        "references": args.references,
        "real_faces": args.real_faces,
        "originals": args.originals,
    }
    return {
        "attribution": args.config.model_dump(exclude={"baselines"}),
        "baseline": args.baseline,
        "seed": args.seed,
        "detector": network,
        "sha256": {name: file_sha256(file) for name, file in files.items() if file},
        "versions": {name: version(name) for name in ("torch", "timm", "captum")},
    }


if __name__ == "__main__":
    run(main, Arguments)
