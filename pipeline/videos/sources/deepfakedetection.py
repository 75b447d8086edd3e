"""List the videos of DeepFakeDetection, Google's and Jigsaw's part of FaceForensics++.

Actors were filmed in scenes, and their faces were exchanged. Originals are named
<actor>__<scene>, fakes <target>_<source>__<scene>__<mark>. There is no official split.
"""

import json
import re
from pathlib import Path

import pandas as pd

from pipeline.config.sources import DeepFakeDetectionConfig
from pipeline.videos.paths import path_fault
from pipeline.videos.sources.faceforensics import mask_path, video_path
from pipeline.videos.table import (
    REAL,
    VideoRow,
    common_split,
    leave_out,
    subset,
    video_table,
    with_originals,
)

METHOD = "DeepFakeDetection"
NAME_LIST = "misc/deepfake_detection_filenames.json"  # in the folder and on the server
REAL_KEY, FAKE_KEY = "actors", "DeepFakesDetection"  # keys of the list
LAST_TRAIN_ACTOR, LAST_VAL_ACTOR = 18, 22  # the actors are 01 to 28


def list_videos(config: DeepFakeDetectionConfig, name: str) -> pd.DataFrame:
    """List all originals and fakes; columns as in `table.COLUMNS`.

    Each actor is in one split. Raises ValueError that names a list that cannot be read,
    or a video whose name does not match the data set's naming.
    """
    rows = [
        VideoRow(split, method, compression, stem, target, source, path)
        for compression in config.compressions
        for stem, method in _names(config, compression)
        for target, source in [_actors(stem, method, config)]
        for split in [
            common_split(target, source, _split) if config.use == "all" else "test"
        ]
        for path in [_path(method, compression, stem)]
    ]
    table = video_table(rows, name, mask_path if config.masks else lambda *_: "")
    recordings = table["path"].map(_recording)
    table = subset(with_originals(table, recordings), recordings, config.videos)
    reason = "its two actors are in different splits"
    return leave_out(table, table["split"] == "", reason)


def list_file(config: DeepFakeDetectionConfig) -> Path | None:
    """The list of names, given or fetched; None if the folders are listed instead."""
    if config.names is not None:
        return Path(config.names)
    return Path(config.root) / NAME_LIST if config.server else None


def _names(config: DeepFakeDetectionConfig, compression: str) -> list[tuple[str, str]]:
    """Name and method of every video, from the list of names or from the folders."""
    file = list_file(config)
    if file is not None:
        listed = read_list(file)
        kinds = ((listed[REAL_KEY], REAL), (listed[FAKE_KEY], METHOD))
        return [(name, method) for names, method in kinds for name in sorted({*names})]
    found = []
    for method in (REAL, METHOD):
        folder = Path(config.root, _path(method, compression, "x")).parent
        found += [(path.stem, method) for path in sorted(folder.glob("[!.]*.mp4"))]
    if not found:
        raise ValueError(
            f"{config.root}: has no DeepFakeDetection videos in {compression}, such as "
            f"{_path(REAL, compression, '01__walking')}; give their folder as "
            "sources.deepfakedetection.root"
        )
    return found


def _path(method: str, compression: str, name: str) -> str:
    """Path of a video below the data set's folder."""
    path = video_path(method, compression, name)
    return path.replace("/youtube/", "/actors/") if method == REAL else path


def read_list(file: Path) -> dict[str, list[str]]:
    """Names of the videos by the list's keys. Raises ValueError for any other file."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        names = {key: list(listed[key]) for key in (REAL_KEY, FAKE_KEY)}
        return {k: [name.removesuffix(".mp4") for name in n] for k, n in names.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file}: cannot be read as the authors' list of names ({error!r}), a JSON "
            f"object with the lists `{REAL_KEY}` and `{FAKE_KEY}`"
        ) from None


def _actors(name: str, method: str, config: DeepFakeDetectionConfig) -> tuple[str, str]:
    """Target and source of a video, two digits each; an original's source is "".

    Raises ValueError for a name that does not match the data set's naming.
    """
    pattern = r"(\d\d)__[\w-]+" if method == REAL else r"(\d\d)_(\d\d)__[\w-]+__[\w-]+"
    match = re.fullmatch(pattern, name, re.ASCII)
    if match is None or path_fault(f"{name}.mp4"):
        example = "01__walking" if method == REAL else "01_02__walking__ABCD1234"
        raise ValueError(
            f"{list_file(config) or config.root}: {name!r} is not a name of "
            f"DeepFakeDetection like {example}"
        )
    actors = match.groups()
    return actors if len(actors) == 2 else (actors[0], "")


def _recording(path: str) -> str:
    """Actor and scene of the original that a video is, or was made from."""
    actors, scene, *_ = Path(path).stem.split("__")
    return f"{actors[:2]}__{scene}"


def _split(actor: str) -> str:
    number = int(actor)
    if number <= LAST_TRAIN_ACTOR:
        return "train"
    return "val" if number <= LAST_VAL_ACTOR else "test"
