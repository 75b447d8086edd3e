"""Predict every crop of a val or test shard (rule `predict_frames`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.faces.shards import FaceShard
from pipeline.files.tables import write_csv
from pipeline.models.checkpoints import load_detector
from pipeline.models.face_crops import FaceCrops
from pipeline.models.face_detectors import check_face_detector
from pipeline.models.inference import predict
from pipeline.models.precision import compute_exactly
from pipeline.models.predictions import PREDICTION_COLUMNS, probability
from pipeline.runtime.allocation import usable_cores
from pipeline.runtime.command_line import run
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.runtime.progress import progress

BATCH_SIZE = 64  # crops


@dataclass(frozen=True)
class Arguments:
    weights: Path
    faces: Path
    output: Path
    threads: int


def main(args: Arguments) -> None:
    threads, device = usable_cores(args.threads), pick_device()
    use_cores(threads)
    compute_exactly()
    detector = load_detector(args.weights, device)
    crops = FaceCrops([args.faces])
    check_face_detector(args.weights, args.faces, crops.face_detector)
    readers = threads if device.type == "cuda" else 0
    batches = predict(detector, crops, BATCH_SIZE, readers)
    total = -(-len(crops) // BATCH_SIZE)
    logits = [np.empty(0, np.float32), *progress(batches, total, "predict", "batches")]
    with FaceShard(args.faces) as shard:
        frames = shard.labelled_frames()
    frames["logit"] = np.concatenate(logits)
    frames["probability"] = probability(frames["logit"])
    write_csv(frames[list(PREDICTION_COLUMNS)], args.output)


if __name__ == "__main__":
    run(main, Arguments)
