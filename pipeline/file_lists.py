"""Small files that say which videos there are: needed before anything is planned."""

from pathlib import Path

from pipeline.config.fetch import FetchConfig
from pipeline.config.sources import SourcesConfig
from pipeline.download import Unavailable, download
from pipeline.sources import deepfakedetection, faceforensics
from pipeline.video_table import SPLITS


def fetch_lists(sources: SourcesConfig, config: FetchConfig) -> None:
    """Fetch the lists that the configuration gives addresses of, unless they are there.

    Raises ValueError, with the remedy, for one that cannot be had.
    """
    for url, file, sha256, key in _wanted(sources):
        if file.exists():
            continue
        try:
            download(url, file, config, sha256)
        except (Unavailable, OSError) as error:
            raise ValueError(
                f"{file} cannot be fetched: {error}. Get it by other means, and give "
                f"its place as sources.{key}"
            ) from None


def _wanted(sources: SourcesConfig) -> list[tuple[str, Path, str, str]]:
    """(address, file, SHA-256 or "", configuration key) of each list."""
    wanted = []
    paired, filmed = sources.faceforensics, sources.deepfakedetection
    if paired and paired.splits and "://" in paired.splits:
        folder, address = faceforensics.splits_folder(paired), paired.splits
        known = faceforensics.OFFICIAL if paired.official_splits else {}
        for split in SPLITS:
            url = f"{address.rstrip('/')}/{split}.json"
            file = folder / f"{split}.json"
            wanted.append((url, file, known.get(split, ""), "faceforensics.splits"))
    if filmed and filmed.server and not filmed.names:
        file = deepfakedetection.list_file(filmed)
        assert file is not None
        url = f"{filmed.address}/{deepfakedetection.LIST}"
        wanted.append((url, file, "", "deepfakedetection.names"))
    return wanted
