"""Clips of the user's own: listed in a CSV, or in folders of real and fake ones."""

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.config.sources import FolderConfig
from pipeline.statistics.seeds import stable_share
from pipeline.videos.paths import path_fault
from pipeline.videos.table import (
    COLUMNS,
    NATIVE,
    REAL,
    SPLITS,
    common_split,
    leave_out,
    video_rows,
)

ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
ENDINGS += (".flv", ".ts", ".mts", ".3gp", ".ogv")
FAKE = "fake"  # the method of fakes of which none is named
NEEDED = ["path", "label"]
OPTIONAL = "split method compression target source mask sha256".split()
LABELS = {"real": 0, "fake": 1}  # no numbers: to Celeb-DF's list, 1 is real
VALIDATED, TESTED = 0.15, 0.2  # shares of the people, where the table has no split
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
WORST = 10  # faulty rows that are told at once


def list_videos(config: FolderConfig, name: str) -> pd.DataFrame:
    """The clips; `table.COLUMNS`.

    Raises ValueError with the rows of the table (the header is row 1) that are refused.
    """
    clips = _read_table(config) if config.table else _walk(Path(config.root))
    people = zip(clips["target"], clips["source"], strict=True)
    if "split" not in clips:
        if config.use == "test":
            clips["split"] = "test"
        else:
            clips["split"] = [common_split(t, s, _split) for t, s in people]
    rows = zip(
        *(clips[k] for k in ("split", "method", "compression", "path")),
        *(clips[k] for k in ("target", "source", "path")),
        strict=True,
    )
    table = video_rows(rows, name)
    given = {"mask": clips["mask"], "known_sha256": clips["sha256"].str.lower()}
    table = table.assign(**given)[COLUMNS]
    reason = "its two people are in different splits"
    return leave_out(table, table["split"] == "", reason)


def _split(person: str) -> str:
    share = stable_share(f"folder {person}")
    if share < VALIDATED:
        return "val"
    return "test" if share < VALIDATED + TESTED else "train"


def _walk(root: Path) -> pd.DataFrame:
    """The clips in `real` and in `fake`, or in folders of methods in it."""
    rows = []
    for path in _videos(root):
        relative = path.relative_to(root)
        fault = path_fault(str(relative))
        if fault:
            raise ValueError(f"{str(path)!r}: the name {fault}; rename it")
        label, *folders = relative.parts[:-1]
        method = REAL if label == "real" else folders[0] if folders else FAKE
        if label == "fake" and not _is_method(method):
            raise ValueError(
                f"{path}: its folder is the method's name, and {method!r} is none: "
                "letters, digits, - and _ only, and neither real nor all"
            )
        rows.append((str(relative), method))
    table = pd.DataFrame(rows, columns=["path", "method"], dtype=str)
    if table.empty:
        raise ValueError(
            f"{root}: has no videos in the folders `real` and `fake`; put them there, "
            "or name a `table`"
        )
    return _completed(table)


def _videos(root: Path) -> list[Path]:
    """Those in `real` and `fake`, whichever folders lie or are linked there."""
    found = []
    for kind in ("real", "fake"):
        for folder, below, names in os.walk(root / kind, followlinks=True):
            here = os.path.realpath(folder)
            around = [os.path.realpath(above) for above in Path(folder).parents]
            if here in around:
                raise ValueError(f"{folder}: links to a folder that it lies in")
            below[:] = [name for name in below if not name.startswith(".")]
            found += [Path(folder, name) for name in names if _is_video(name)]
    return sorted(found)


def _is_video(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _is_method(name: str) -> bool:
    """Whether fakes may be called so; `real` and `all` have a meaning in the tables."""
    return re.fullmatch(NAME, name) is not None and name not in (REAL, "all")


def _read_table(config: FolderConfig) -> pd.DataFrame:
    file = config.table
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # too many fields
            table = pd.read_csv(
                file,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                skip_blank_lines=False,  # they count, in the rows' numbers
                index_col=False,
            ).fillna("")
    except pd.errors.ParserWarning:
        raise ValueError(
            f"{file}: its rows have more fields than the header; is there a comma at "
            "their ends?"
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read as a table ({error})") from None
    unknown = sorted({*table.columns} - {*NEEDED, *OPTIONAL})
    absent = sorted({*NEEDED} - {*table.columns})
    if unknown or absent:
        told = ", ".join(
            [f"{c!r} is unknown" for c in unknown]
            + [f"{c!r} is needed" for c in absent]
        )
        known = ", ".join([*NEEDED, *OPTIONAL])
        raise ValueError(f"{file}: its columns: {told}; known are {known}")
    _check_rows(table, str(file))
    table = table[~_is_blank(table)].reset_index(drop=True)
    real = table["label"].str.lower().map(LABELS) == 0
    method = table["method"] if "method" in table else pd.Series(FAKE, table.index)
    method = method.mask(method == "", FAKE).mask(real, REAL)
    return _completed(table.assign(method=method))


def _check_rows(table: pd.DataFrame, file: str) -> None:
    """Raise ValueError that names the rows which cannot be, and why."""
    faults: list[str] = []
    seen: dict[str, int] = {}
    given = table.set_axis(range(2, len(table) + 2))[~_is_blank(table).to_numpy()]
    for number, row in given.to_dict("index").items():
        for key, problem in _faults(row):
            faults.append(f"{file}: row {number}: {key} = {row[key]!r}: {problem}")
        path = str(PurePosixPath(row["path"]))
        if path in seen:
            told = f"path = {path!r}: stands in row {seen[path]} already"
            faults.append(f"{file}: row {number}: {told}")
        seen.setdefault(path, number)
    if faults:
        more = len(faults) - WORST
        told = "\n".join(faults[:WORST])
        raise ValueError(told + (f"\n... and {more} more" if more > 0 else ""))


def _is_blank(table: pd.DataFrame) -> pd.Series:
    return (table == "").all(axis=1)


def _faults(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(column, problem) of what is wrong in a row."""
    problem = path_fault(row["path"])
    if problem:
        yield "path", problem
    if row.get("mask") and (problem := path_fault(row["mask"])):
        yield "mask", problem
    if row["label"].lower() not in LABELS:
        yield "label", "is neither real nor fake"
    if "split" in row and row["split"] not in SPLITS:
        yield "split", "is none of train, val, test"
    method = row.get("method")
    fake = LABELS.get(row["label"].lower()) == 1
    if method and fake and not _is_method(method):
        yield "method", "is no name of a method: letters, digits, - and _ only"
    if row.get("compression") not in (None, "", "raw", "c23", "c40", NATIVE):
        yield "compression", f"is none of raw, c23, c40, {NATIVE}"
    for key in ("target", "source"):
        who = row.get(key, "")
        if re.search(r"[\x00-\x1f\x7f-\x9f]", who):
            yield key, "has a line break or another control character"
        elif who != who.strip():
            yield key, "begins or ends with a space: it would be somebody else"
    if row.get("sha256") and not re.fullmatch(r"[0-9a-fA-F]{64}", row["sha256"]):
        yield "sha256", "is no SHA-256: 64 hexadecimal digits"


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every column; a clip without a target is a person of its own."""
    table = table.assign(path=[str(PurePosixPath(p)) for p in table["path"]])
    for key in ("target", "source", "mask", "sha256", "compression"):
        if key not in table:
            table[key] = ""
    table["target"] = table["target"].mask(table["target"] == "", table["path"])
    compression = table["compression"]
    return table.assign(compression=compression.mask(compression == "", NATIVE))
