"""Train a model on train shards, choosing the epoch on val (rule `train_model`)."""

from importlib.metadata import version

import torch

from pipeline.atomic import write_csv
from pipeline.command_line import log, parse, run
from pipeline.config.models import ModelConfig
from pipeline.devices import pick_device, set_threads
from pipeline.networks import build_detector, save_detector
from pipeline.training import FaceCrops, check_classes, train


def main() -> None:
    args = parse(
        __doc__,
        files=["train*", "val*", "weights", "history"],
        texts=["config", "seed", "threads"],
    )
    config = ModelConfig.model_validate_json(args.config)
    seed, threads = int(args.seed), int(args.threads)
    set_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    data, validation = FaceCrops(args.train), FaceCrops(args.val)
    if config.shuffle_labels:
        data.shuffle_labels(seed)
        validation.shuffle_labels(seed)  # or the epoch would be chosen by true labels
    check_classes(data, "train")
    check_classes(validation, "val")
    device = pick_device()
    detector = build_detector(config.timm, config.input_size, config.pretrained)
    # On the CPU the cores are busy with the network; a GPU wants readers beside it.
    workers = threads if device.type == "cuda" else 0
    history = train(detector.to(device), config, data, validation, seed, workers)
    provenance = {
        "model": config.model_dump(),
        "seed": seed,
        "crops": len(data),
        "versions": {name: version(name) for name in ("torch", "timm")},
    }
    write_csv(history, args.history)
    save_detector(detector, args.weights, provenance)
    log.info("weights of the best epoch: %s", args.weights)


if __name__ == "__main__":
    run(main)
