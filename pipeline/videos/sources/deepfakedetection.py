"""DeepFakeDetection, Google's and Jigsaw's part of FaceForensics++.

Actors were filmed in scenes, and their faces exchanged: originals are called
<actor>__<scene>, fakes <target>_<source>__<scene>__<mark>. No split is official.
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
    common_split,
    leave_out,
    subset,
    video_rows,
    with_originals,
)

METHOD = "DeepFakeDetection"
LIST = "misc/deepfake_detection_filenames.json"  # below the folder, and on the server
ORIGINALS, FAKES = "actors", "DeepFakesDetection"  # the list's keys
LAST_TRAINED, LAST_VALIDATED = 18, 22  # of the actors 01 to 28


def list_videos(config: DeepFakeDetectionConfig, name: str) -> pd.DataFrame:
    """All originals and fakes; `table.COLUMNS`. Actors are in one split each.

    Raises ValueError that names the file for a list, or a video, that is not as above.
    """
    rows = [
        (split, method, compression, stem, target, source, path)
        for compression in config.compressions
        for stem, method in _names(config, compression)
        for target, source in [_actors(stem, method, config)]
        for split in [
            common_split(target, source, _split) if config.use == "all" else "test"
        ]
        for path in [_path(method, compression, stem)]
    ]
    table = video_rows(rows, name, mask_path if config.masks else lambda *_: "")
    made_of = table["path"].map(_made_of)
    table = subset(with_originals(table, made_of), made_of, config.videos)
    reason = "its two actors are in different splits"
    return leave_out(table, table["split"] == "", reason)


def list_file(config: DeepFakeDetectionConfig) -> Path | None:
    """The list of names, if one is used: given, or fetched."""
    if config.names is not None:
        return Path(config.names)
    return Path(config.root) / LIST if config.server else None


def _names(config: DeepFakeDetectionConfig, compression: str) -> list[tuple[str, str]]:
    """(name, method) of every video: those listed, or those on disk."""
    file = list_file(config)
    if file is not None:
        listed = read_list(file)
        kinds = ((listed[ORIGINALS], REAL), (listed[FAKES], METHOD))
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
    path = video_path(method, compression, name)
    return path.replace("/youtube/", "/actors/") if method == REAL else path


def read_list(file: Path) -> dict[str, list[str]]:
    """Names of the videos, by the list's keys; ValueError if it is not the list."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        names = {key: list(listed[key]) for key in (ORIGINALS, FAKES)}
        return {k: [name.removesuffix(".mp4") for name in n] for k, n in names.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file}: cannot be read as the authors' list of names ({error!r}), a JSON "
            f"object with the lists `{ORIGINALS}` and `{FAKES}`"
        ) from None


def _actors(name: str, method: str, config: DeepFakeDetectionConfig) -> tuple[str, str]:
    """Target and source of a video, two digits each; the source of an original: ""."""
    form = r"(\d\d)__[\w-]+" if method == REAL else r"(\d\d)_(\d\d)__[\w-]+__[\w-]+"
    match = re.fullmatch(form, name, re.ASCII)
    if match is None or path_fault(f"{name}.mp4"):
        example = "01__walking" if method == REAL else "01_02__walking__ABCD1234"
        raise ValueError(
            f"{list_file(config) or config.root}: {name!r} is no name of "
            f"DeepFakeDetection like {example}"
        )
    actors = match.groups()
    return actors if len(actors) == 2 else (actors[0], "")


def _made_of(path: str) -> str:
    """Actor and scene of the original that a video is, or was made of."""
    actors, scene, *_ = Path(path).stem.split("__")
    return f"{actors[:2]}__{scene}"


def _split(actor: str) -> str:
    number = int(actor)
    if number <= LAST_TRAINED:
        return "train"
    return "val" if number <= LAST_VALIDATED else "test"
