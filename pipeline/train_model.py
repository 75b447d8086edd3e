"""Train a model on train and choose the best epoch on val (rule `train_model`)."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from lightning_fabric import Fabric

from pipeline.config.models import ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.faces.shards import common_face_detector
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
from pipeline.runtime.command_line import run
from pipeline.runtime.devices import use_cores
from pipeline.runtime.errors import StepError

log = logging.getLogger(__name__)

# How long a preempted job waits for SLURM to kill it, in seconds. If it ended by itself
# after SIGTERM, SLURM would count a failed job and would not queue it again.
KILL_TIMEOUT = 300.0


@dataclass(frozen=True)
class Arguments:
    train: list[Path]
    val: list[Path]
    weights: Path
    history: Path
    state: Path
    config: ModelConfig
    protocol: ProtocolConfig
    seed: int
    threads: int


def main(args: Arguments) -> None:
    config = args.config
    fabric = make_fabric(config)
    fabric.launch()
    if not fabric.is_global_zero:
        logging.getLogger().setLevel(logging.ERROR)
    cores = max(1, usable_cores(args.threads) // fabric.world_size)
    use_cores(cores)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    face_detector = common_face_detector([*args.train, *args.val])
    data = FaceCrops(args.train, args.protocol)
    validation = FaceCrops(args.val, args.protocol)
    check_classes(data, "train")
    check_classes(validation, "val")
    if config.shuffle_labels:
        data.shuffle_labels(args.seed)
        # With true labels here, the choice of the epoch would use them.
        validation.shuffle_labels(args.seed)
    detector = build_detector(
        config.network,
        config.input_size,
        config.pretrained,
        with_head=not config.epochs,
    )
    trained_on = data.table if config.epochs else data.table[:0]
    provenance = provenance_of(
        config,
        args.protocol,
        args.seed,
        trained_on,
        face_detector if config.epochs else None,
    )
    training = fingerprint(
        [*args.train, *args.val],
        provenance,
        code_version("train_model"),
        [fabric.world_size, fabric.device.type, fabric.strategy.precision.precision],
    )
    bad_batch = args.history.with_name("not_a_number.csv")
    bad_batch.unlink(missing_ok=True)
    with explain_failures(fabric, args.weights, bad_batch):
        history = train(
            fabric,
            detector,
            config,
            data,
            validation,
            args.seed,
            # On the CPU, the network keeps all cores busy.
            readers=cores if fabric.device.type == "cuda" else 0,
            state_file=args.state,
            fingerprint=training,
        )
    if fabric.is_global_zero:
        write_csv(history, args.history)
        save_detector(detector, args.weights, provenance)
        args.state.unlink(missing_ok=True)
        log.info("weights of the best epoch: %s", args.weights)


@contextmanager
def explain_failures(fabric: Fabric, weights: Path, bad_batch: Path) -> Iterator[None]:
    """Raise a StepError that says what the user can do if a training ends early.

    If the loss is not a finite number, the videos of the batch are listed in the CSV
    file `bad_batch`. A preempted SLURM job waits here until SLURM kills it.
    """
    try:
        yield
    except NotANumber as error:
        if fabric.is_global_zero:
            write_csv(pd.DataFrame({"video": error.videos}), bad_batch)
        raise StepError(f"{weights}: {error}; see {bad_batch}") from error
    except torch.OutOfMemoryError as error:
        raise StepError(
            f"{weights}: this training does not fit into the GPU's memory ({error}). "
            "Raise this model's `accumulate`, or lower its `batch_size`."
        ) from error
    except Stopped as stop:
        if in_slurm() and "SIGTERM" in stop.signals:
            log.info("%s", stop)
            time.sleep(KILL_TIMEOUT)
        raise


if __name__ == "__main__":
    run(main, Arguments)
