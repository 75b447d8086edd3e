"""Celeb-DF, version 2 (Li et al. 2020): its folders, and its list of testing videos.

Real videos are <person>_<number> in Celeb-real and <number> in YouTube-real; fakes in
Celeb-synthesis are <target>_<source>_<number>, made of the real <target>_<number>.
The list says `1 <path>` for a real and `0 <path>` for a fake testing video.
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
    common_split,
    leave_out,
    used,
    video_rows,
    with_originals,
)

LIST = "List_of_testing_videos.txt"
METHOD = "Celeb-synthesis"
FORMS = {
    "Celeb-real": r"(id\d+)_(\d+)",
    "YouTube-real": r"(\d+)",
    METHOD: r"(id\d+)_(id\d+)_(\d+)",
}
VALIDATED = 0.12  # share of the people who are not trained on but validated


def list_videos(config: CelebDFConfig, name: str) -> pd.DataFrame:
    """The testing videos, and, if all are used, the others; `table.COLUMNS`.

    Raises ValueError that names the file or the line that is not as above.
    """
    root = Path(config.root)
    testing = _read_list(root / LIST)
    paths = testing if config.use == "test" else [*testing, *_others(root, testing)]
    rows = [_row(path, path in testing) for path in paths]
    table = video_rows(rows, name)
    table = with_originals(table, table["path"].map(_recording))
    if config.videos is not None:
        kinds = table.sort_values("path", key=lambda paths: paths.map(stable_share))
        table = kinds.groupby(["split", "label"]).head(config.videos).sort_index()
    reason = "its two people are in different splits"
    table = leave_out(table, table["split"] == "", reason)
    made_of = table["path"].map(_recording)
    tested = set(made_of[table["split"] == "test"])
    training = table["split"].isin(["train", "val"])
    reason = "a testing video is of the same recording"
    return leave_out(table, training & made_of.isin(tested), reason)


def leaks(table: pd.DataFrame) -> list[tuple[str, dict[str, list[str]]]]:
    """People in several splits, each with the videos that show them by split."""
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
            places = {s: sorted(part["path"]) for s, part in rows.groupby("split")}
            found.append((f"person {person}", places))
    return found


def _row(path: str, tested: bool) -> tuple[str, str, str, str, str, str, str]:
    """A row of `video_rows`; the split is "" where the two people are in two."""
    folder, stem = path.removesuffix(".mp4").split("/")
    groups = re.fullmatch(FORMS[folder], stem, re.ASCII).groups()
    target, source = groups[0], groups[1] if folder == METHOD else ""
    split = "test" if tested else common_split(target, source, _split)
    method = METHOD if folder == METHOD else REAL
    name = f"{folder}/{stem}" if method == REAL else stem
    return split, method, NATIVE, name, target, source, path


def _split(person: str) -> str:
    return "val" if stable_share(f"celebdf {person}") < VALIDATED else "train"


def _recording(path: str) -> str:
    """The real video that a video is, or was made of."""
    return re.sub(rf"^{METHOD}/(id\d+)_id\d+_", r"Celeb-real/\1_", path)


def _others(root: Path, testing: dict[str, None]) -> Iterator[str]:
    """Paths of the videos in the folders that are not for testing."""
    for folder in FORMS:
        for file in sorted((root / folder).glob("[!.]*.mp4")):
            path = f"{folder}/{file.name}"
            _check(path, str(file))
            if path not in testing:
                yield path


def _read_list(file: Path) -> dict[str, None]:
    """Paths of the testing videos, in the list's order."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); sources.celebdf.root wants the folder "
            "with the data set's folders and this list"
        ) from None
    testing: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label, _, path = line.strip().partition(" ")
        where = f"{file}: line {number}: {line!r}"
        _check(path, where)
        if label != ("0" if path.startswith(METHOD) else "1"):
            raise ValueError(f"{where}: 1 stands for real there, and 0 for fake")
        if path in testing:
            raise ValueError(f"{where}: is listed twice")
        testing[path] = None
    return testing


def _check(path: str, where: str) -> None:
    folder, _, name = path.partition("/")
    form = FORMS.get(folder)
    if form is None or not re.fullmatch(rf"{form}\.mp4", name, re.ASCII):
        raise ValueError(f"{where}: is no video of Celeb-DF's")
