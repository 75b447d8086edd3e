"""Results of models, protocols, baselines and shards that a configuration lacks."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.report.run_description import (
    INTERVENTIONS,
    SEVERAL_DETECTORS,
    RunDescription,
)

# Folders whose content is of one detector each: <folder>/<model>/<protocol>/...
OF_DETECTORS = ("models", "metrics", "attributions", "atlases")
# Folders beside those of models, whose content is of no detector.
SHARED = {("models", "weights"), ("attributions", "references")}
SHARED |= {("attributions", "originals")}
# What is beside the baselines in the folder of a detector's attributions.
CONTROLS = "controls"
COLUMNS = ["place", "files", "bytes"]
SHARD_NAME = re.compile(r"[\w-]+-(train|val|test)-\d+")
STAGES = ("videos", "faces", *OF_DETECTORS)


def belongs(file: str, run: RunDescription) -> bool:
    """Whether a file of the results is of this configuration.

    `file` is relative to the folder of results. Files that are of no single detector,
    baseline or shard belong to every configuration.
    """
    parts = PurePosixPath(file).parts
    stem = PurePosixPath(file).stem
    if SHARD_NAME.fullmatch(stem) and stem not in run.all_shards:
        return False
    if parts[0] == "atlases" and len(parts) == 2:
        compared = _compared_baseline(parts[1])
        is_current = compared in run.baselines and run.has(SEVERAL_DETECTORS)
        return compared is None or is_current
    is_intervention = parts[0] == "atlases" and stem in ("interventions", "curves")
    if is_intervention and not run.has(INTERVENTIONS):
        return False
    if parts[0] not in OF_DETECTORS or len(parts) < 3 or parts[:2] in SHARED:
        return True
    known = {(detector.model, detector.protocol) for detector in run.detectors}
    if len(parts) == 3:  # a file in a model's folder, beside its protocols
        return parts[1] in {model for model, _ in known}
    if parts[1:3] not in known:
        return False
    is_map = parts[0] in ("attributions", "atlases") and len(parts) > 4
    return not is_map or parts[3] in (CONTROLS, *run.baselines)


def _compared_baseline(name: str) -> str | None:
    """The baseline in the name of a file such as `models-black.png`."""
    stem = PurePosixPath(name).stem
    return stem.removeprefix("models-") if stem.startswith("models-") else None


def leftovers(results: Path, run: RunDescription) -> pd.DataFrame:
    """The places of results that the configuration lacks: the columns COLUMNS.

    The largest are first. A place is a folder or a single file. A folder is named if
    none of its files is of the configuration.
    """
    found: dict[str, tuple[int, int]] = {}
    for file, size in _files(results):
        if not belongs(file, run):
            place = _place(file, run)
            files, total = found.get(place, (0, 0))
            found[place] = files + 1, total + size
    rows = [(place, files, size) for place, (files, size) in found.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("bytes", ascending=False, ignore_index=True)


def _files(results: Path) -> Iterator[tuple[str, int]]:
    for stage in STAGES:
        for path in sorted((results / stage).rglob("*")):
            if path.is_file():
                yield path.relative_to(results).as_posix(), path.stat().st_size


def _place(file: str, run: RunDescription) -> str:
    """The highest folder above a file without any file of the configuration.

    The file itself if there is no such folder.
    """
    parts = PurePosixPath(file).parts
    if parts[0] not in OF_DETECTORS or len(parts) < 3 or parts[:2] in SHARED:
        return file
    if parts[1] not in {detector.model for detector in run.detectors}:
        return "/".join(parts[:2])
    if parts[1:3] not in {(d.model, d.protocol) for d in run.detectors}:
        return "/".join(parts[:3])
    if len(parts) > 4 and parts[3] not in (CONTROLS, *run.baselines):
        return "/".join(parts[:4])
    return file
