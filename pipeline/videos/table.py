"""The table of videos that each source lists, and its values."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import pandas as pd

from pipeline.statistics.seeds import stable_share

SPLITS = ("train", "val", "test")
REAL = "real"  # the method of original videos
UNLABELLED = "unlabelled"  # the method of videos whose label is unknown
UNKNOWN_LABEL = -1  # their label
LABEL_NAMES = {0: REAL, 1: "fake"}  # the labels that metrics and training need
NATIVE = "native"  # the compression of data sets that exist in one compression only

# The table has one row for each video. All columns but `label` are text.
COLUMNS = [
    "video",  # its id: <dataset>/<compression>/<method>/<name>
    "dataset",
    "split",  # train, val, test; "" for a video that is left out
    "label",  # 0 real, 1 fake, UNKNOWN_LABEL for an unlabelled video
    "method",  # REAL for original videos, UNLABELLED for unlabelled ones
    "compression",
    "target",  # the person or sequence whose face is shown, or was replaced
    "source",  # whose face or expression was inserted; "" for real videos
    "original",  # id of the used video that a fake was made from; "" if unknown
    "path",  # of the file, relative to the data set's folder
    "mask",  # path of the mask video, relative to the same folder; "" if there is none
    "known_sha256",  # SHA-256 that the file must have; "" if unknown
    "left_out",  # why the video is not used; "" if it is used
]


class VideoRow(NamedTuple):
    """What a source gives for each video; see COLUMNS. `name` ends the video's id."""

    split: str
    method: str
    compression: str
    name: str
    target: str
    source: str
    path: str


def video_table(
    rows: Iterable[VideoRow],
    dataset: str,
    mask_path: Callable[[str, str], str] = lambda method, name: "",
) -> pd.DataFrame:
    """The table of a data set's videos, with COLUMNS.

    `mask_path` gives the path of a mask from a video's method and name. The original of
    a fake is the real video of the same compression that has the fake's target.
    """
    table = pd.DataFrame(list(rows), columns=list(VideoRow._fields), dtype=str)
    ids = zip(table["compression"], table["method"], table["name"], strict=True)
    pairs = zip(table["method"], table["name"], strict=True)
    table = table.assign(
        dataset=dataset,
        video=[f"{dataset}/{'/'.join(parts)}" for parts in ids],
        label=table["method"].map({REAL: 0, UNLABELLED: UNKNOWN_LABEL}).fillna(1),
        mask=[mask_path(*pair) for pair in pairs],
        known_sha256="",
        left_out="",
    )
    table = table.astype({"label": int})
    return with_originals(table, table["target"])[COLUMNS]


def with_originals(table: pd.DataFrame, recordings: pd.Series) -> pd.DataFrame:
    """The table with the column `original`.

    `recordings` names, for each video, the recording that it shows or was made from.
    The original of a fake is the real video of the same recording and compression; ""
    if there are none or several, and for videos that are not fakes.
    """
    keys = table["compression"] + "/" + recordings
    real = table["method"] == REAL
    fake = ~table["method"].isin([REAL, UNLABELLED])
    unique = table["video"][real & ~keys.where(real).duplicated(keep=False)]
    original_of = dict(zip(keys[unique.index], unique, strict=True))
    videos = zip(keys, fake, strict=True)
    return table.assign(
        original=[
            original_of.get(key, "") if is_fake else "" for key, is_fake in videos
        ]
    )


def used(table: pd.DataFrame) -> pd.DataFrame:
    """The videos that are not left out."""
    return table[table["left_out"] == ""]


def labelled(items: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of videos or frames that are real or fake.

    Only these may enter training, thresholds, metrics and atlases. Rows keep their
    index.
    """
    return items[items["label"] != UNKNOWN_LABEL]


def persons(items: pd.DataFrame) -> pd.Series:
    """The person of each item, as `<dataset>/<target>`.

    The names of targets are unique only within a data set.
    """
    return items["dataset"] + "/" + items["target"]


def leave_out(table: pd.DataFrame, which: pd.Series, reason: str) -> pd.DataFrame:
    """The table with some videos removed from their split, and the reason recorded.

    `which` (N,) bool chooses the rows. A video that was left out before keeps its first
    reason.
    """
    table = table.copy()
    which = which & (table["left_out"] == "")
    table.loc[which, "left_out"], table.loc[which, "split"] = reason, ""
    return table


def subset(
    table: pd.DataFrame, recordings: pd.Series, max_videos: int | None
) -> pd.DataFrame:
    """At most `max_videos` real videos of each split, and the fakes made from them.

    `recordings` names, for each video, the recording that it shows or was made from.
    The choice depends only on these names; a larger subset contains a smaller one.
    """
    if max_videos is None:
        return table
    real = table["method"] == REAL
    videos = table[["split"]].assign(name=recordings)[real].drop_duplicates()
    videos = videos.sort_values("name", key=lambda names: names.map(stable_share))
    chosen = videos.groupby("split").head(max_videos)["name"]
    return table[recordings.isin(chosen)].reset_index(drop=True)


def common_split(target: str, source: str, split_of: Callable[[str], str]) -> str:
    """The split of a video's target and source; "" if they are in different splits.

    `source` is "" for a real video.
    """
    splits = {split_of(person) for person in (target, source or target)}
    return splits.pop() if len(splits) == 1 else ""
