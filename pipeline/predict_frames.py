"""Predict every crop of a val or test shard (rule `predict_frames`)."""

import numpy as np

from pipeline.faces.shards import FaceShard
from pipeline.files.tables import write_csv
from pipeline.models.checkpoints import load_detector
from pipeline.models.face_crops import FaceCrops
from pipeline.models.inference import predict
from pipeline.models.precision import compute_exactly
from pipeline.models.predictions import PREDICTION_COLUMNS, probability
from pipeline.runtime.allocation import usable_cores
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.runtime.progress import progress

BATCH = 64  # crops


def main() -> None:
    args = parse(__doc__, files=["weights", "faces", "output"], texts=["threads"])
    threads, device = usable_cores(int(args.threads)), pick_device()
    use_cores(threads)
    compute_exactly()
    detector = load_detector(args.weights, device)
    crops = FaceCrops([args.faces])
    readers = threads if device.type == "cuda" else 0
    batches = predict(detector, crops, BATCH, readers)
    total = -(-len(crops) // BATCH)
    logits = [np.empty(0, np.float32), *progress(batches, total, "predict", "batches")]
    with FaceShard(args.faces) as shard:
        frames = shard.labelled_frames()
    frames["logit"] = np.concatenate(logits)
    frames["probability"] = probability(frames["logit"])
    write_csv(frames[list(PREDICTION_COLUMNS)], args.output)


if __name__ == "__main__":
    run(main)
