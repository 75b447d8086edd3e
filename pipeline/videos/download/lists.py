"""Small files that say which videos there are: needed before anything is planned."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import SourcesConfig
from pipeline.videos.download.dataset import remember
from pipeline.videos.download.http import Unavailable, download
from pipeline.videos.download.partial_file import Hooks
from pipeline.videos.sources import deepfakedetection, faceforensics
from pipeline.videos.table import SPLITS


@dataclass(frozen=True)
class _List:
    url: str
    root: Path
    name: str  # of the file, below `root`
    sha256: str  # "" where nobody says
    read: Callable[[Path], object]  # raises ValueError for what is no such list
    key: str  # of the configuration, that takes a list from elsewhere


def fetch_lists(sources: SourcesConfig, config: FetchConfig) -> None:
    """Fetch the lists that the configuration gives addresses of, unless they are there.

    Somebody waits for the plan: one more try is all. Raises ValueError, with the
    remedy, for a list that cannot be had.
    """
    config = config.model_copy(update={"attempts": min(2, config.attempts)})
    for wanted in _wanted(sources):
        file = wanted.root / wanted.name
        if not file.exists():
            print(f"Fetching {file} from {wanted.url}", file=sys.stderr, flush=True)
            _fetch(wanted, file, config)


def _fetch(wanted: _List, file: Path, config: FetchConfig) -> None:
    def fault(part: Path) -> str:
        try:
            wanted.read(part)
        except ValueError as error:
            return str(error)
        return ""

    def note(digest: str) -> None:
        if not wanted.sha256:
            remember(wanted.root, wanted.name, digest)

    hooks = Hooks(check=fault, note=note)
    try:
        download(wanted.url, file, config, wanted.sha256, hooks)
    except (Unavailable, OSError) as error:
        raise ValueError(
            f"{file} cannot be fetched from {wanted.url}: {error}. Get it by other "
            f"means, and give its place as sources.{wanted.key}"
        ) from None


def _wanted(sources: SourcesConfig) -> list[_List]:
    wanted = []
    paired, filmed = sources.faceforensics, sources.deepfakedetection
    if paired and paired.splits and "://" in paired.splits:
        known = faceforensics.OFFICIAL if paired.official_splits else {}
        for split in SPLITS:
            wanted.append(
                _List(
                    f"{paired.splits.rstrip('/')}/{split}.json",
                    Path(paired.root),
                    f"{faceforensics.SPLITS_FOLDER}/{split}.json",
                    known.get(split, ""),
                    faceforensics.read_pairs,
                    "faceforensics.splits",
                )
            )
    if filmed and filmed.server and not filmed.names:
        wanted.append(
            _List(
                f"{filmed.address}/{deepfakedetection.LIST}",
                Path(filmed.root),
                deepfakedetection.LIST,
                "",
                deepfakedetection.read_list,
                "deepfakedetection.names",
            )
        )
    return wanted
