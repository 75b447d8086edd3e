"""List the videos of Celeb-DF, version 2 (Li et al. 2020).

Real videos are named <person>_<number> in Celeb-real, and <number> in YouTube-real.
Fakes in Celeb-synthesis are named <target>_<source>_<number>; each was made from the
real video <target>_<number>. The list of testing videos has a line `1 <path>` for each
real video, and `0 <path>` for each fake.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.config.sources import CelebDFConfig
from pipeline.statistics.seeds import stable_share
from pipeline.videos.table import (
    NATIVE,
    REAL,
    VideoRow,
    common_split,
    leave_out,
    used,
    video_table,
    with_originals,
)

TEST_LIST = "List_of_testing_videos.txt"
METHOD = "Celeb-synthesis"
NAME_PATTERNS = {  # by folder, without the suffix
    "Celeb-real": r"(id\d+)_(\d+)",
    "YouTube-real": r"(\d+)",
    METHOD: r"(id\d+)_(id\d+)_(\d+)",
}
VAL_SHARE = 0.12  # share of the persons without testing videos that validate


def list_videos(config: CelebDFConfig, name: str) -> pd.DataFrame:
    """List the testing videos and, with `use: all`, the others.

    Columns as in `table.COLUMNS`. Raises ValueError that names a file or a line of the
    list that does not match the data set's naming.
    """
    root = Path(config.root)
    testing = _read_list(root / TEST_LIST)
    paths = testing if config.use == "test" else [*testing, *_others(root, testing)]
    rows = [_row(path, path in testing) for path in paths]
    table = video_table(rows, name)
    table = with_originals(table, table["path"].map(_recording))
    if config.videos is not None:
        shuffled = table.sort_values("path", key=lambda paths: paths.map(stable_share))
        table = shuffled.groupby(["split", "label"]).head(config.videos).sort_index()
    reason = "its two people are in different splits"
    table = leave_out(table, table["split"] == "", reason)
    recordings = table["path"].map(_recording)
    tested = set(recordings[table["split"] == "test"])
    training = table["split"].isin(["train", "val"])
    reason = "a testing video is of the same recording"
    return leave_out(table, training & recordings.isin(tested), reason)


def find_leaks(table: pd.DataFrame) -> list[tuple[str, dict[str, list[str]]]]:
    """Persons in several splits, each with the videos that show the person by split."""
    table = used(table)
    shown = pd.concat(
        [
            table[["split", "path"]].assign(person=table[column])
            for column in ("target", "source")
        ]
    )
    shown = shown[shown["person"].str.startswith("id")]
    found = []
    for person, rows in shown.groupby("person"):
        if rows["split"].nunique() > 1:
            paths = {s: sorted(part["path"]) for s, part in rows.groupby("split")}
            found.append((f"person {person}", paths))
    return found


def _row(path: str, tested: bool) -> VideoRow:
    """The row of a video; its split is "" if its two persons are in different ones."""
    folder, stem = path.removesuffix(".mp4").split("/")
    match = re.fullmatch(NAME_PATTERNS[folder], stem, re.ASCII)
    assert match is not None  # `_check` has accepted the path
    target, source = match[1], match[2] if folder == METHOD else ""
    split = "test" if tested else common_split(target, source, _split)
    method = METHOD if folder == METHOD else REAL
    name = f"{folder}/{stem}" if method == REAL else stem
    return VideoRow(split, method, NATIVE, name, target, source, path)


def _split(person: str) -> str:
    """The split of a person whose videos are not for testing."""
    return "val" if stable_share(f"celebdf {person}") < VAL_SHARE else "train"


def _recording(path: str) -> str:
    """Path of the real video that a video is, or was made from."""
    return re.sub(rf"^{METHOD}/(id\d+)_id\d+_", r"Celeb-real/\1_", path)


def _others(root: Path, testing: dict[str, None]) -> Iterator[str]:
    """Paths of the videos in the folders that are not testing videos."""
    for folder in NAME_PATTERNS:
        for file in sorted((root / folder).glob("[!.]*.mp4")):
            path = f"{folder}/{file.name}"
            _check(path, str(file))
            if path not in testing:
                yield path


def _read_list(file: Path) -> dict[str, None]:
    """Paths of the testing videos in the order of the list, as keys."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); sources.celebdf.root must be the "
            "folder with the data set's folders and this list"
        ) from None
    testing: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label, _, path = line.strip().partition(" ")
        where = f"{file}: line {number}: {line!r}"
        _check(path, where)
        if label != ("0" if path.startswith(METHOD) else "1"):
            raise ValueError(f"{where}: 1 stands for real there, 0 for fake")
        if path in testing:
            raise ValueError(f"{where}: is listed twice")
        testing[path] = None
    return testing


def _check(path: str, where: str) -> None:
    """Raise ValueError, beginning with `where`, unless a path is one of Celeb-DF's."""
    folder, _, name = path.partition("/")
    pattern = NAME_PATTERNS.get(folder)
    if pattern is None or not re.fullmatch(rf"{pattern}\.mp4", name, re.ASCII):
        raise ValueError(f"{where}: is not a video of Celeb-DF")
