"""Check the protocols of a configuration against the run's videos."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from pipeline.config.check import ConfigError
from pipeline.config.faults import Fault, source_file
from pipeline.config.protocols import ProtocolConfig
from pipeline.config.run import RunConfig
from pipeline.videos.protocols import selected, trained_on

USES = {"train": "train", "val": "choose the epoch"}  # of a protocol's splits
KINDS = {0: "real video", 1: "fake"}
KEYS = ("methods", "leave_out", "compressions", "datasets")


def check_protocols(
    config: RunConfig, videos: pd.DataFrame, files: Sequence[str | Path]
) -> None:
    """Check the protocols of a configuration against the run's table of videos.

    Raises ConfigError for one that names what is not used, or leaves nothing to train
    or to choose the epoch on.
    """
    lines = [
        f"{source_file(path, value, files)}: {'.'.join(path)} = {value!r}: {problem}"
        for path, value, problem in _impossible_protocols(config, videos)
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def _impossible_protocols(config: RunConfig, videos: pd.DataFrame) -> list[Fault]:
    faults: list[Fault] = []
    every = trained_on(videos, ProtocolConfig())
    known = {key: every.get(key, every["methods"]) for key in KEYS}
    for name, protocol in config.protocols.items():
        unknown = _unknown_names(name, protocol, known)
        faults += unknown or _one_sided(name, protocol, videos)
    return faults


def _unknown_names(
    name: str, protocol: ProtocolConfig, known: Mapping[str, Sequence[str]]
) -> list[Fault]:
    """What a protocol names that no training video is of."""
    faults: list[Fault] = []
    for key, names in known.items():
        value = getattr(protocol, key)
        unknown = sorted(set(value or ()) - set(names))
        if unknown:
            problem = (
                f"{', '.join(unknown)} is in no training video of the sources; "
                f"there are {', '.join(names)}"
            )
            faults.append((("protocols", name, key), value, problem))
    return faults


def _one_sided(
    name: str, protocol: ProtocolConfig, videos: pd.DataFrame
) -> list[Fault]:
    """Splits in which a protocol leaves no real video, or no fake, of what it trains
    on."""
    comes_to = protocol.model_copy(update=trained_on(videos, protocol))
    chosen = videos[selected(videos, comes_to)]
    key = next((k for k in KEYS if getattr(protocol, k)), "leave_out")
    faults: list[Fault] = []
    for (split, doing), (label, kind) in product(USES.items(), KINDS.items()):
        if not ((chosen["split"] == split) & (chosen["label"] == label)).any():
            problem = f"leaves no {kind} to {doing} on (in the split {split!r})"
            faults.append((("protocols", name, key), getattr(protocol, key), problem))
    return faults
