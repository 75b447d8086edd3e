"""The table of videos that each source lists, and its values."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

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
    "unit",  # videos of one unit are resampled together: see `with_units`
    "second_unit",  # the source of a fake, if sources cross targets; "" otherwise
    "original",  # id of the used video that a fake was made from; "" if unknown
    "path",  # of the file, relative to the data set's folder
    "mask",  # path of the mask video, relative to the same folder; "" if there is none
    "subject_mask",  # that of another fake, for a video without mask: see below
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
        unit="",
        second_unit="",
        label=table["method"].map({REAL: 0, UNLABELLED: UNKNOWN_LABEL}).fillna(1),
        mask=[mask_path(*pair) for pair in pairs],
        subject_mask="",
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


def with_units(table: pd.DataFrame) -> pd.DataFrame:
    """The table of one data set with the columns `unit` and `second_unit`.

    Videos of one unit show the same persons, so they are not independent. The unit is

    - the pair, `<dataset>/<one>+<other>`, if two persons are only exchanged with each
      other, as in FaceForensics++;
    - the target, `<dataset>/<target>`, in all other cases. If the target belongs to a
      group of three or more persons that are exchanged with each other, the source of a
      fake is its second unit.

    Persons of different splits do not count as exchanged, so that training videos do
    not change the units of test videos. Units that the table already has are kept.
    """
    parts = [_with_units(part) for _, part in table.groupby("split", sort=False)]
    return pd.concat([table.iloc[:0], *parts]).loc[table.index]


def _with_units(table: pd.DataFrame) -> pd.DataFrame:
    """`with_units` for the videos of one split."""
    fakes = table[table["source"] != ""]
    names = np.unique(pd.concat([table["target"], fakes["source"]]).to_numpy(str))
    place = {name: number for number, name in enumerate(names)}
    ends = [[place[name] for name in fakes[end]] for end in ("target", "source")]
    links = coo_array((np.ones(len(fakes)), ends), shape=(len(names),) * 2)
    group = connected_components(links, directed=False)[1]
    members = pd.Series(names).groupby(group).agg(list)
    units, second_units = [], []
    for target, source in zip(table["target"], table["source"], strict=True):
        persons = members[group[place[target]]]
        is_pair = len(persons) == 2
        units.append("+".join(persons) if is_pair else target)
        second_units.append("" if is_pair or source == target else source)
    prefix = table["dataset"] + "/"
    second = pd.Series(second_units, table.index, dtype=str)
    known = table["unit"] != ""
    return table.assign(
        unit=table["unit"].where(known, prefix + units),
        second_unit=table["second_unit"].where(known | (second == ""), prefix + second),
    )


def with_subject_masks(table: pd.DataFrame) -> pd.DataFrame:
    """The table of one data set with the column `subject_mask`.

    A real video, or a fake without a mask, may show several persons. The mask of
    another fake of the same recording then shows who its subject is. Among several
    fakes, the first method by name is taken; "" if there is none.
    """
    masked = used(table).query("mask != '' and original != ''")
    masked = masked.sort_values("video").drop_duplicates("original")
    mask_of = dict(zip(masked["original"], masked["mask"], strict=True))
    recordings = table["video"].where(table["method"] == REAL, table["original"])
    pairs = zip(recordings, table["mask"], strict=True)
    return table.assign(
        subject_mask=["" if mask else mask_of.get(name, "") for name, mask in pairs]
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
