"""The state of a training on disk, and the signals that ask to save it and stop.

A scheduler sends SIGTERM or SIGUSR1 before it kills a job, and Ctrl-C sends SIGINT. All
random numbers depend only on the seed and the number of the step. The state therefore
needs no random generators, and a resumed training takes exactly the same steps as one
that was never interrupted.
"""

import hashlib
import json
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pipeline.files.atomic import replacing
from pipeline.models.history import kept_epoch

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
Tensors = dict[str, torch.Tensor]


@dataclass
class TrainingProgress:
    """The part of a training that is done, without the weights."""

    epoch: int = 0  # number of completed epochs
    step: int = 0  # number of completed steps of the next epoch
    losses: list[float] = field(default_factory=list)  # of each part of these steps
    history: list[dict[str, float]] = field(default_factory=list)  # one row per epoch

    @property
    def best_epoch(self) -> int:
        """The best of the completed epochs, counted from 1; 0 before the first."""
        return kept_epoch(pd.DataFrame(self.history)) if self.history else 0


def fingerprint(files: Sequence[Path], *facts: Any) -> str:
    """A hash that identifies a training, as 64 hexadecimal digits.

    It changes with the name, size or modification time of a file, and with any of the
    `facts`, which are JSON values.
    """
    stats = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files
    ]
    text = json.dumps([stats, *facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def save_state(
    path: Path,
    fingerprint: str,
    progress: TrainingProgress,
    tensors: dict[str, Any],
) -> None:
    """Write the state of a training; after a kill, the previous state is still there.

    `tensors` holds state dicts by name. The names "fingerprint" and "progress" are
    reserved. Raises OSError or RuntimeError if the file cannot be written.
    """
    state = {"fingerprint": fingerprint, "progress": asdict(progress), **tensors}
    with replacing(path) as part:
        torch.save(state, part)


def load_state(
    path: Path, fingerprint: str
) -> tuple[TrainingProgress, dict[str, Any]] | None:
    """The state of an interrupted training with this fingerprint, if there is one.

    Returns the progress and the tensors that were given to `save_state`. A file that
    belongs to another training, or that cannot be read, is ignored: the result is None,
    and training starts from the beginning. Only tensors and plain values are unpickled.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many kinds: pickle.UnpicklingError, RuntimeError, EOFError, ...
        log.warning("%s cannot be read (%s): training starts anew", path, error)
        return None
    if state.pop("fingerprint", None) != fingerprint:
        log.info("%s is of other data or settings: training starts anew", path)
        return None
    return TrainingProgress(**state.pop("progress")), state


@contextmanager
def stop_requests() -> Iterator[list[str]]:
    """Catch the signals that ask to stop; yield a list that receives their names.

    Only the first signal of each kind is caught. The second one has its usual effect.
    """
    received: list[str] = []
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def note(number: int, _frame: object) -> None:
        received.append(signal.Signals(number).name)
        signal.signal(number, previous[signal.Signals(number)])

    for number in STOP_SIGNALS:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
