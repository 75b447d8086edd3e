"""All videos of a run: what its sources list, and which shard each video is in."""

import os
from collections.abc import Callable, Iterator

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
from pipeline.videos.table import REAL, SPLITS, used

LISTS: dict[str, Callable[..., pd.DataFrame]] = {
    "miniature": miniature.list_videos,
    "faceforensics": faceforensics.list_videos,
    "deepfakedetection": deepfakedetection.list_videos,
    "celebdf": celebdf.list_videos,
    "dfdc": dfdc.list_videos,
}
LEAKS = {"faceforensics": faceforensics.leaks, "celebdf": celebdf.leaks}
LEAK_COLUMNS = ["dataset", "what", "split", "members", "videos"]


def list_videos(sources: SourcesConfig) -> pd.DataFrame:
    """All videos of all sources, one row each: `table.COLUMNS` and `shard`.

    Rests on names alone: no video is opened. Videos that are left out have a reason,
    and no split and shard. Raises ValueError where a source cannot be listed, a split
    has no real or no fake video, or somebody is in two splits.
    """
    table = pd.concat(
        [list_source(name, source) for name, source in sources.by_name().items()],
        ignore_index=True,
    )
    _check_splits(used(table), sources)
    _check_files(used(table), sources)
    return table


def list_source(name: str, source: SourceConfig) -> pd.DataFrame:
    """As `list_videos`, of one source."""
    table = LISTS.get(name, folder.list_videos)(source, name)
    if source.use == "test":
        table = table[table["split"] == "test"]
    check_apart(used(table))
    there = table["original"].isin(used(table)["video"])
    table = table.assign(original=table["original"].where(there, ""))
    return assign_shards(table, source.shards)


def leak_report(table: pd.DataFrame) -> pd.DataFrame:
    """What stands in several splits though it shows one recording, or one person.

    Columns: dataset, what, and in each of its splits a row with its members (names of
    sequences, or paths of videos, joined by a space) and how many they are.
    """
    rows = [
        (dataset, what, split, " ".join(members), len(members))
        for dataset, find in LEAKS.items()
        for what, places in find(table[table["dataset"] == dataset])
        for split, members in sorted(places.items())
    ]
    return pd.DataFrame(rows, columns=LEAK_COLUMNS)


def check_apart(table: pd.DataFrame) -> None:
    """Raise ValueError where a target or source of a data set is in two splits.

    Celeb-DF's own list separates videos, and not people, which the leak report tells.
    """
    table = table[table["dataset"] != "celebdf"]
    splits: dict[str, str] = {}
    for column in ("target", "source"):
        known = table[table[column] != ""]
        for who, split in known.groupby(column)["split"].unique().items():
            found = {*split, splits.setdefault(str(who), split[0])}
            if len(found) > 1:
                raise ValueError(
                    f"{table['dataset'].iloc[0]}: {who!r} is in the splits "
                    f"{' and '.join(sorted(found))}; a person seen in training must "
                    "not be tested on: give all videos of one person the same split"
                )


def _check_files(table: pd.DataFrame, sources: SourcesConfig) -> None:
    """Raise ValueError where two sources have one file in two splits."""
    named = sources.by_name().items()
    roots = {name: os.path.realpath(source.root) for name, source in named}
    places = table["dataset"].map(roots) + "/" + table["path"]
    known: dict[str, tuple[str, str]] = {}
    for place, split, video in zip(places, table["split"], table["video"], strict=True):
        other, seen = known.setdefault(os.path.normpath(place), (split, video))
        if other != split:
            raise ValueError(
                f"{place}: is in the split {other!r} as {seen}, and in {split!r} as "
                f"{video}; no file may be in two: leave it out of one source"
            )


def _check_splits(table: pd.DataFrame, sources: SourcesConfig) -> None:
    for split, kind in _lacking(table):
        raise ValueError(
            f"the split {split!r} has no {kind} video; every split needs real and fake "
            f"ones: look at sources ({', '.join(sources.by_name())})"
        )
    tested = set(table.loc[table["split"] == "test", "dataset"])
    for dataset in set(sources.by_name()) - tested:
        raise ValueError(f"sources: {dataset} has no test video")


def _lacking(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(split, kind of video) of what is not there."""
    for split in SPLITS:
        labels = set(table.loc[table["split"] == split, "label"])
        for label, kind in ((0, REAL), (1, "fake")):
            if label not in labels:
                yield split, kind
