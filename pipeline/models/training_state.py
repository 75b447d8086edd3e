"""Training's state on disk, and the signals that ask for it to be saved.

A scheduler warns with SIGTERM or SIGUSR1 before it kills; a person presses Ctrl-C. All
randomness is a function of the seed and the step's number, so that the state holds no
generator, and a resumed training takes the very steps that an undisturbed one takes.
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

import torch

from pipeline.files.atomic import replacing

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
Tensors = dict[str, torch.Tensor]


@dataclass
class Progress:
    """How far training has come, apart from weights."""

    epoch: int = 0  # epochs done
    step: int = 0  # steps done of the next one
    losses: list[float] = field(default_factory=list)  # of these steps' parts
    history: list[dict[str, float]] = field(default_factory=list)
    merit: list[float] = field(default_factory=list)  # of the best epoch; highest wins
    waiting: int = 0  # epochs since the best one


def fingerprint(files: Sequence[Path], *facts: Any) -> str:
    """What a training is of: its files, as they are now, and all else given (JSON)."""
    stats = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files
    ]
    text = json.dumps([stats, *facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def save_state(
    path: Path,
    fingerprint: str,
    progress: Progress,
    tensors: dict[str, Any],
) -> None:
    """Write the state in one go: a kill leaves the one before."""
    state = {"fingerprint": fingerprint, "progress": asdict(progress), **tensors}
    with replacing(path) as part:
        torch.save(state, part)


def load_state(path: Path, fingerprint: str) -> tuple[Progress, dict[str, Any]] | None:
    """The state of an interrupted training of the same data and settings, if any.

    One of another training, or one that cannot be read, is left aside: training then
    starts anew. Nothing is unpickled but tensors and plain values.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises what it finds: pickle.UnpicklingError, RuntimeError, EOFError.
        log.warning("%s cannot be read (%s): training starts anew", path, error)
        return None
    if state.pop("fingerprint", None) != fingerprint:
        log.info("%s is of other data or settings: training starts anew", path)
        return None
    return Progress(**state.pop("progress")), state


@contextmanager
def stop_requests() -> Iterator[list[str]]:
    """A list that gets the name of the signal that asks to stop."""
    asked: list[str] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, _frame: object) -> None:
        asked.append(signal.Signals(number).name)
        signal.signal(number, before[number])  # asked again, it ends at once

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
