"""Check the protocols of a configuration against the run's videos."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from pipeline.config.check import ConfigError
from pipeline.config.faults import Fault, source_file
from pipeline.config.protocols import ProtocolConfig
from pipeline.config.run import RunConfig
from pipeline.orchestration.needed_videos import missing_kinds
from pipeline.videos.protocols import protocol_rows, resolve_protocol

# What a protocol uses each split for.
SPLIT_USES = {"train": "train", "val": "choose the epoch"}
VIDEO_KINDS = {0: "real video", 1: "fake"}  # by label
PROTOCOL_KEYS = ("methods", "leave_out", "compressions", "datasets")


def check_protocols(
    config: RunConfig, videos: pd.DataFrame, files: Sequence[str | Path]
) -> None:
    """Check the protocols of a configuration against the run's table of videos.

    `videos` are the used videos and `files` the configuration files, for the messages.
    Raises ConfigError if a protocol names something that no training video has, or if
    it leaves nothing to train on or to choose the epoch on. Without a model to train,
    or without the videos for it, no protocol is checked: the steps that train ask for
    these videos (`pipeline.orchestration.needed_videos`).
    """
    if not config.trained() or missing_kinds(videos, "train", "val"):
        return
    lines = [
        f"{source_file(path, value, files)}: {'.'.join(path)} = {value!r}: {problem}"
        for path, value, problem in _impossible_protocols(config, videos)
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def _impossible_protocols(config: RunConfig, videos: pd.DataFrame) -> list[Fault]:
    faults: list[Fault] = []
    available = resolve_protocol(videos, ProtocolConfig())
    known = {key: available.get(key, available["methods"]) for key in PROTOCOL_KEYS}
    for name, protocol in config.protocols.items():
        unknown = _unknown_names(name, protocol, known)
        faults += unknown or _one_sided(name, protocol, videos)
    return faults


def _unknown_names(
    name: str, protocol: ProtocolConfig, known: Mapping[str, Sequence[str]]
) -> list[Fault]:
    """The names in a protocol that no training video has."""
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
    """Splits, and data sets of the training split, that a protocol leaves without real
    videos or without fakes."""
    resolved = protocol.model_copy(update=resolve_protocol(videos, protocol))
    chosen = videos[protocol_rows(videos, resolved)]
    key = next((k for k in PROTOCOL_KEYS if getattr(protocol, k)), "leave_out")
    faults: list[Fault] = []
    for (split, use), (label, kind) in product(SPLIT_USES.items(), VIDEO_KINDS.items()):
        if not ((chosen["split"] == split) & (chosen["label"] == label)).any():
            problem = f"leaves no {kind} to {use} on (in the split {split!r})"
            faults.append((("protocols", name, key), getattr(protocol, key), problem))
    validation = chosen[chosen["split"] == "val"].groupby(["dataset", "compression"])
    if not faults and validation["label"].nunique().max() < 2:
        problem = (
            "leaves no data set with real videos and fakes at one compression to "
            "choose the epoch on (in the split 'val')"
        )
        faults.append((("protocols", name, key), getattr(protocol, key), problem))
    if faults:
        return faults
    trained = chosen[chosen["split"] == "train"]
    for (dataset, compression), part in trained.groupby(["dataset", "compression"]):
        for label in sorted({*VIDEO_KINDS} - {*part["label"]}):
            problem = (
                f"leaves no {VIDEO_KINDS[label]} of {dataset} ({compression}) to train "
                "on: a detector would learn to recognise the data set. Select other "
                "`datasets` or `compressions`, or give the source such videos"
            )
            faults.append((("protocols", name, key), getattr(protocol, key), problem))
    return faults
