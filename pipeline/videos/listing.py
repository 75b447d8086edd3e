"""List all videos of a run: the rows of its sources, and the shard of each video."""

import os
from collections.abc import Callable

import pandas as pd

from pipeline.config.source import SourceConfig
from pipeline.config.sources import SourcesConfig
from pipeline.videos.sharding import assign_shards
from pipeline.videos.sources import (
    celebdf,
    deepfakedetection,
    dfdc,
    faceforensics,
    folder,
    miniature,
)
from pipeline.videos.table import labelled, used, with_subject_masks, with_units

LISTS: dict[str, Callable[..., pd.DataFrame]] = {
    "miniature": miniature.list_videos,
    "faceforensics": faceforensics.list_videos,
    "deepfakedetection": deepfakedetection.list_videos,
    "celebdf": celebdf.list_videos,
    "dfdc": dfdc.list_videos,
}
LEAK_FINDERS = {
    "faceforensics": faceforensics.find_leaks,
    "celebdf": celebdf.find_leaks,
}
LEAK_COLUMNS = ["dataset", "what", "split", "members", "videos"]


def list_videos(sources: SourcesConfig) -> pd.DataFrame:
    """List all videos of all sources, one row each: `table.COLUMNS` and `shard`.

    Uses names only; no video is opened. A video that is left out has a reason in
    `left_out`, and "" as its split and shard. Raises ValueError if a source cannot be
    listed, a person is in two splits, or a file is in two splits.
    """
    table = pd.concat(
        [list_source(name, source) for name, source in sources.by_name().items()],
        ignore_index=True,
    )
    _check_files(used(table), sources)
    return table


def list_source(name: str, source: SourceConfig) -> pd.DataFrame:
    """List the videos of one source; see `list_videos`."""
    table = with_units(LISTS.get(name, folder.list_videos)(source, name))
    if source.use == "test":
        table = table[table["split"] == "test"]
    check_persons(used(table))
    has_original = table["original"].isin(used(table)["video"])
    table = table.assign(original=table["original"].where(has_original, ""))
    return assign_shards(with_subject_masks(table), source.shards)


def list_shard(sources: SourcesConfig, shard: str) -> pd.DataFrame:
    """The rows of one shard, whose source is the only one of `sources`."""
    ((name, source),) = sources.by_name().items()
    table = list_source(name, source)
    return table[table["shard"] == shard]


def leak_report(table: pd.DataFrame) -> pd.DataFrame:
    """List recordings and persons that are shown in several splits.

    One row for each of them and each of its splits, with LEAK_COLUMNS: the data set,
    what is shown, the split, the members (names of sequences, or paths of videos,
    joined by a space), and the number of members.
    """
    rows = [
        (dataset, what, split, " ".join(members), len(members))
        for dataset, find_leaks in LEAK_FINDERS.items()
        for what, members_by_split in find_leaks(table[table["dataset"] == dataset])
        for split, members in sorted(members_by_split.items())
    ]
    return pd.DataFrame(rows, columns=LEAK_COLUMNS)


def check_persons(table: pd.DataFrame) -> None:
    """Raise ValueError if a person of the data set is in two splits.

    Not for Celeb-DF: its list of testing videos separates videos, not persons. The leak
    report lists these persons. Not for unlabelled videos, on which nothing is measured.
    """
    table = labelled(table[table["dataset"] != "celebdf"])
    splits: dict[str, str] = {}
    for column in ("target", "source"):
        known = table[table[column] != ""]
        for person, found in known.groupby(column)["split"].unique().items():
            found = {*found, splits.setdefault(str(person), found[0])}
            if len(found) > 1:
                raise ValueError(
                    f"{table['dataset'].iloc[0]}: {person!r} is in the splits "
                    f"{' and '.join(sorted(found))}; a person seen in training must "
                    "not be tested on: give all videos of one person the same split"
                )


def _check_files(table: pd.DataFrame, sources: SourcesConfig) -> None:
    """Raise ValueError if two sources list the same file in different splits."""
    by_name = sources.by_name().items()
    roots = {name: os.path.realpath(source.root) for name, source in by_name}
    files = table["dataset"].map(roots) + "/" + table["path"]
    known: dict[str, tuple[str, str]] = {}
    for file, split, video in zip(files, table["split"], table["video"], strict=True):
        first_split, first = known.setdefault(os.path.normpath(file), (split, video))
        if first_split != split:
            raise ValueError(
                f"{file}: is in the split {first_split!r} as {first}, and in {split!r} "
                f"as {video}; a file must be in one split only: leave it out of one "
                "source"
            )
