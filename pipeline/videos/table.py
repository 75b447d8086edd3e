"""The table of videos that every source gives, and what may stand in it."""

from collections.abc import Callable, Iterable

import pandas as pd

from pipeline.statistics.seeds import stable_share

SPLITS = ("train", "val", "test")
REAL = "real"  # what stands in the column `method` for original videos
NATIVE = "native"  # the compression of data sets that come in one only

# One row a video, everything text but the label:
COLUMNS = [
    "video",  # its id: <dataset>/<compression>/<method>/<name>
    "dataset",
    "split",  # train, val, test; "" for a video that is left out
    "label",  # 0 real, 1 fake
    "method",  # REAL for original videos
    "compression",
    "target",  # the person or sequence whose face is seen, or was replaced
    "source",  # the one whose face or expression it was replaced by; "" for real videos
    "original",  # the id of the used video that a fake was made of; "" if none is known
    "path",  # of the file, below the data set's folder
    "mask",  # of the mask video, likewise; "" where there is none
    "known_sha256",  # what the file must be; "" where nobody says
    "left_out",  # why the video is not used; "" for the others
]


def video_rows(
    rows: Iterable[tuple[str, str, str, str, str, str, str]],
    dataset: str,
    mask: Callable[[str, str], str] = lambda method, name: "",
) -> pd.DataFrame:
    """A table of `rows`: (split, method, compression, name, target, source, path).

    `mask` gives the path of a mask from a fake's method and name.
    """
    keys = "split method compression name target source path".split()
    table = pd.DataFrame(list(rows), columns=keys, dtype=str)
    told = zip(table["compression"], table["method"], table["name"], strict=True)
    pairs = zip(table["method"], table["name"], strict=True)
    table = table.assign(
        dataset=dataset,
        video=[f"{dataset}/{'/'.join(parts)}" for parts in told],
        label=(table["method"] != REAL).astype(int),
        mask=[mask(*pair) for pair in pairs],
        known_sha256="",
        left_out="",
    )
    return with_originals(table, table["target"])[COLUMNS]


def with_originals(table: pd.DataFrame, made_of: pd.Series) -> pd.DataFrame:
    """The table with the column `original`, by the recording that each video is, or was
    made of; none where several real videos of one compression are of it."""
    keys = table["compression"] + "/" + made_of
    real = table["method"] == REAL
    found = table["video"][real & ~keys.where(real).duplicated(keep=False)]
    known = dict(zip(keys[found.index], found, strict=True))
    fakes = zip(keys, real, strict=True)
    return table.assign(
        original=["" if is_real else known.get(key, "") for key, is_real in fakes]
    )


def used(table: pd.DataFrame) -> pd.DataFrame:
    """The videos that are not left out."""
    return table[table["left_out"] == ""]


def persons(items: pd.DataFrame) -> pd.Series:
    """Whose face each item shows, or was replaced; names are a data set's own."""
    return items["dataset"] + "/" + items["target"]


def leave_out(table: pd.DataFrame, which: pd.Series, reason: str) -> pd.DataFrame:
    """The table with the rows `which` (bool) out of every split, and why."""
    table = table.copy()
    which = which & (table["left_out"] == "")
    table.loc[which, "left_out"], table.loc[which, "split"] = reason, ""
    return table


def subset(table: pd.DataFrame, made_of: pd.Series, most: int | None) -> pd.DataFrame:
    """At most so many real videos of each split, and the fakes made of them.

    `made_of` names the real video that each is, or was made of. Which ones are taken
    hangs on these names alone: more of them keep the fewer.
    """
    if most is None:
        return table
    real = table["method"] == REAL
    videos = table[["split"]].assign(name=made_of)[real].drop_duplicates()
    videos = videos.sort_values("name", key=lambda names: names.map(stable_share))
    chosen = videos.groupby("split").head(most)["name"]
    return table[made_of.isin(chosen)].reset_index(drop=True)


def common_split(target: str, source: str, split_of: Callable[[str], str]) -> str:
    """The split of a video's people, "" if they are in two; `source` may be ""."""
    splits = {split_of(person) for person in (target, source or target)}
    return splits.pop() if len(splits) == 1 else ""
