"""Predict every crop of a test shard (rule `predict_frames`)."""

import numpy as np

from pipeline.atomic import write_csv
from pipeline.command_line import parse, run
from pipeline.devices import pick_device, set_threads
from pipeline.face_shards import FaceShard
from pipeline.networks import load_detector
from pipeline.prediction import PREDICTION_COLUMNS, probability
from pipeline.progress import progress
from pipeline.training import FaceCrops, predict

BATCH = 64  # crops


def main() -> None:
    args = parse(__doc__, files=["weights", "faces", "output"], texts=["threads"])
    set_threads(int(args.threads))
    detector = load_detector(args.weights, pick_device())
    crops = FaceCrops([args.faces])
    batches = predict(detector, crops, BATCH)
    total = -(-len(crops) // BATCH)
    logits = [np.empty(0, np.float32), *progress(batches, total, "predict", "batches")]
    with FaceShard(args.faces) as shard:
        frames = shard.labelled_frames()
    frames["logit"] = np.concatenate(logits)
    frames["probability"] = probability(frames["logit"])
    write_csv(frames[list(PREDICTION_COLUMNS)], args.output)


if __name__ == "__main__":
    run(main)
