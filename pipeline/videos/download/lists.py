"""Fetch the small files that list a data set's videos.

They are needed before Snakemake can plan any job.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import SourcesConfig
from pipeline.videos.download.dataset import add_to_manifest
from pipeline.videos.download.http import Unavailable, download
from pipeline.videos.download.partial_file import Hooks
from pipeline.videos.sources import deepfakedetection, faceforensics
from pipeline.videos.table import SPLITS

MAX_ATTEMPTS = 2  # the user waits for the plan


@dataclass(frozen=True)
class _ListFile:
    """A list that may have to be fetched.

    Attributes:
        url: its address.
        root: the data set's folder.
        name: path of the file below `root`.
        sha256: what the file must have, "" if that is unknown.
        read: reads the list; raises ValueError for any other file.
        config_key: key of the configuration by which the user can give the list.
    """

    url: str
    root: Path
    name: str
    sha256: str
    read: Callable[[Path], object]
    config_key: str


def fetch_lists(sources: SourcesConfig, config: FetchConfig) -> None:
    """Fetch the missing lists whose addresses the configuration gives.

    Raises ValueError, with the remedy, for a list that cannot be fetched.
    """
    attempts = min(MAX_ATTEMPTS, config.attempts)
    config = config.model_copy(update={"attempts": attempts})
    for wanted in _list_files(sources):
        file = wanted.root / wanted.name
        if not file.exists():
            print(f"Fetching {file} from {wanted.url}", file=sys.stderr, flush=True)
            _fetch(wanted, file, config)


def _fetch(wanted: _ListFile, file: Path, config: FetchConfig) -> None:
    def list_fault(part: Path) -> str:
        try:
            wanted.read(part)
        except ValueError as error:
            return str(error)
        return ""

    def add_unless_known(digest: str) -> None:
        if not wanted.sha256:
            add_to_manifest(wanted.root, wanted.name, digest)

    hooks = Hooks(check=list_fault, on_verified=add_unless_known)
    try:
        download(wanted.url, file, config, known_sha256=wanted.sha256, hooks=hooks)
    except (Unavailable, OSError) as error:
        raise ValueError(
            f"{file} cannot be fetched from {wanted.url}: {error}. Get it by other "
            f"means, and give its place as sources.{wanted.config_key}"
        ) from None


def _list_files(sources: SourcesConfig) -> list[_ListFile]:
    """The lists whose addresses the configuration gives."""
    files = []
    faces, actors = sources.faceforensics, sources.deepfakedetection
    if faces and faces.splits and "://" in faces.splits:
        known = faceforensics.OFFICIAL_SHA256 if faces.official_splits else {}
        for split in SPLITS:
            files.append(
                _ListFile(
                    f"{faces.splits.rstrip('/')}/{split}.json",
                    Path(faces.root),
                    f"{faceforensics.SPLITS_FOLDER}/{split}.json",
                    known.get(split, ""),
                    faceforensics.read_pairs,
                    "faceforensics.splits",
                )
            )
    if actors and actors.server and not actors.names:
        files.append(
            _ListFile(
                f"{actors.address}/{deepfakedetection.NAME_LIST}",
                Path(actors.root),
                deepfakedetection.NAME_LIST,
                "",
                deepfakedetection.read_list,
                "deepfakedetection.names",
            )
        )
    return files
