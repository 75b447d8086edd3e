"""Integrated Gradients of one model over a test shard (rule `attribute_frames`)."""

from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from pipeline.attribution_shards import writing_attributions
from pipeline.command_line import log, parse, run
from pipeline.config.attribution import AttributionConfig
from pipeline.devices import pick_device, set_threads
from pipeline.face_shards import FaceShard
from pipeline.integrated_gradients import integrated_gradients, make_baselines
from pipeline.networks import load_detector, to_images
from pipeline.progress import progress
from pipeline.sampling import evenly_spaced

CHUNK = 16  # images explained together
COLUMNS = ["video", "method", "label", "has_mask", "number", "crop"]


def main() -> None:
    args = parse(
        __doc__, files=["weights", "faces", "output"], texts=["config", "threads"]
    )
    config = AttributionConfig.model_validate_json(args.config)
    set_threads(int(args.threads))
    device = pick_device()
    detector = load_detector(args.weights, device)
    provenance = {
        "attribution": config.model_dump(),
        "detector": detector.spec.timm,
        "versions": {name: version(name) for name in ("torch", "timm")},
    }
    with FaceShard(args.faces) as shard:
        frames = choose_frames(shard.labelled_frames(), config.frames)
        starts = range(0, len(frames), CHUNK)
        size = shard.crops.shape[1]
        with writing_attributions(args.output, size, provenance, COLUMNS) as out:
            for start in progress(starts, len(starts), "attribute", "chunks"):
                rows = frames[start : start + CHUNK]
                images = to_images(torch.from_numpy(shard.crops[rows["crop"]]))
                images = images.to(device)
                baselines = make_baselines(images, config.baseline)
                found = integrated_gradients(
                    detector, images, baselines, config.steps, config.batch_size
                )
                error = found.completeness_error().cpu().numpy()
                maps = found.pixels.sum(1).cpu().numpy()
                table = rows.assign(
                    logit=found.logits.cpu().numpy(),
                    baseline_logit=found.baseline_logits.cpu().numpy(),
                    attribution_sum=maps.sum((1, 2), dtype=np.float64),
                    completeness_error=error,
                    converged=error <= config.tolerance,
                )
                out.add(maps, table)
                log.info("completeness error up to %.3f", error.max())


def choose_frames(frames: pd.DataFrame, wanted: int | None) -> pd.DataFrame:
    """`wanted` evenly spaced crops of each video (all if None), with their row."""
    frames = frames.assign(crop=np.arange(len(frames)))[COLUMNS]
    if wanted is None:
        return frames
    parts = [
        part.iloc[evenly_spaced(len(part), wanted)]
        for _, part in frames.groupby("video")
    ]
    return pd.concat(parts).sort_values("crop") if parts else frames


if __name__ == "__main__":
    run(main)
