"""Train a model on train shards, choosing the epoch on val (rule `train_model`)."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from lightning_fabric import Fabric

from pipeline.config.models import ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.files.tables import write_csv
from pipeline.models.checkpoints import save_detector
from pipeline.models.fabric import make_fabric
from pipeline.models.face_crops import FaceCrops, check_classes
from pipeline.models.pretrained import build_detector
from pipeline.models.provenance import provenance_of
from pipeline.models.training import NotANumber, Stopped, train
from pipeline.models.training_state import fingerprint
from pipeline.runtime.allocation import in_slurm, usable_cores
from pipeline.runtime.code_version import code_version
from pipeline.runtime.command_line import parse, run
from pipeline.runtime.devices import use_cores
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)

# SLURM kills some seconds after SIGTERM. To end before that would count as a failure of
# its own, and a preempted job that fails is not queued again.
UNTIL_KILLED = 300.0  # s


def main() -> None:
    args = parse(
        __doc__,
        files=["train*", "val*", "weights", "history", "state"],
        texts=["config", "protocol", "seed", "threads"],
    )
    config = ModelConfig.model_validate_json(args.config)
    protocol = ProtocolConfig.model_validate_json(args.protocol)
    seed, threads = int(args.seed), usable_cores(int(args.threads))
    fabric = make_fabric(config)
    fabric.launch()
    if not fabric.is_global_zero:
        logging.getLogger().setLevel(logging.ERROR)
    use_cores(threads // fabric.world_size)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    data, validation = (FaceCrops(s, protocol) for s in (args.train, args.val))
    if config.shuffle_labels:
        data.shuffle_labels(seed)
        validation.shuffle_labels(seed)  # or the epoch would be chosen by true labels
    check_classes(data, "train")
    check_classes(validation, "val")
    detector = build_detector(
        config.timm, config.input_size, config.pretrained, with_head=not config.epochs
    )
    table = data.table if config.epochs else data.table[:0]
    provenance = provenance_of(config, protocol, seed, table)
    same = fingerprint(
        [*args.train, *args.val],
        provenance,
        code_version("train_model"),
        [fabric.world_size, fabric.device.type, fabric.strategy.precision.precision],
    )
    # On the CPU the cores are busy with the network; a GPU wants readers beside it.
    share = max(1, threads // fabric.world_size)
    readers = share if fabric.device.type == "cuda" else 0
    note = args.history.with_name("not_a_number.csv")
    note.unlink(missing_ok=True)
    with remedies_named(fabric, args.weights, note):
        history = train(
            *(fabric, detector, config, data, validation, seed),
            *(readers, args.state, same),
        )
    if fabric.is_global_zero:
        write_csv(history, args.history)
        save_detector(detector, args.weights, provenance)
        args.state.unlink(missing_ok=True)
        log.info("weights of the best epoch: %s", args.weights)


@contextmanager
def remedies_named(fabric: Fabric, weights: Path, note: Path) -> Iterator[None]:
    """Say what can be done where a training ends early; `note` lists a bad batch."""
    try:
        yield
    except NotANumber as error:
        if fabric.is_global_zero:
            write_csv(pd.DataFrame({"video": error.videos}), note)
        raise StepError(f"{weights}: {error}; see {note}") from error
    except torch.OutOfMemoryError as error:
        raise StepError(
            f"{weights}: this training does not fit into the GPU's memory ({error}). "
            "Raise this model's `accumulate`, or lower its `batch_size`."
        ) from error
    except Stopped as stop:
        if in_slurm() and "SIGTERM" in stop.asked:
            log.info("%s", stop)
            time.sleep(UNTIL_KILLED)
        raise


if __name__ == "__main__":
    run(main)
