"""List the user's own clips, from a CSV or from folders, labelled or not."""

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
    UNLABELLED,
    VideoRow,
    common_split,
    leave_out,
    video_table,
)

VIDEO_SUFFIXES = tuple(
    ".mp4 .avi .mov .mkv .webm .m4v .mpg .mpeg .wmv .flv .ts .mts .3gp .ogv".split()
)
UNKNOWN_METHOD = "fake"  # the method of fakes for which the user names none
REQUIRED_COLUMNS = ["path", "label"]
OPTIONAL_COLUMNS = "split method compression target source mask sha256".split()
# Labels are words: numbers would be ambiguous, since 1 stands for real in Celeb-DF.
LABELS = ("real", "fake")  # of a table; also the folders of clips without a table
RESERVED_METHODS = (REAL, UNLABELLED, "all")  # they have other meanings in tables
VAL_SHARE, TEST_SHARE = 0.15, 0.2  # of the persons, if the table has no splits
METHOD_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
MAX_REPORTED_FAULTS = 10


def list_videos(config: FolderConfig, name: str) -> pd.DataFrame:
    """List the clips; columns as in `table.COLUMNS`.

    Raises ValueError that names the invalid rows of the user's table (the header is
    row 1), or the invalid folders and files.
    """
    clips = _read_table(config) if config.table else _list_folders(Path(config.root))
    persons = zip(clips["target"], clips["source"], strict=True)
    if "split" not in clips:
        if config.use == "test":
            clips["split"] = "test"
        else:
            clips["split"] = [common_split(t, s, _split) for t, s in persons]
    clips["split"] = clips["split"].mask(clips["method"] == UNLABELLED, "test")
    clips["name"] = clips["path"]
    fields = [clips[field] for field in VideoRow._fields]
    table = video_table(map(VideoRow._make, zip(*fields, strict=True)), name)
    checksums = clips["sha256"].str.lower()
    table = table.assign(mask=clips["mask"], known_sha256=checksums)[COLUMNS]
    reason = "its two people are in different splits"
    return leave_out(table, table["split"] == "", reason)


def _split(person: str) -> str:
    share = stable_share(f"folder {person}")
    if share < VAL_SHARE:
        return "val"
    return "test" if share < VAL_SHARE + TEST_SHARE else "train"


def _list_folders(root: Path) -> pd.DataFrame:
    """The clips in the folders `real`, `fake` and `fake/<method>`.

    Without these folders, all clips below `root`, unlabelled.
    """
    paths = [path.relative_to(root) for path in _videos(root)]
    if not paths:
        raise ValueError(
            f"{root}: has no videos; put them there (in the folders `real` and `fake` "
            "if it is known which they are), or name a `table`"
        )
    for path in paths:
        fault = path_fault(str(path))
        if fault:
            raise ValueError(f"{str(root / path)!r}: the name {fault}; rename it")
    if _has_labels(root):
        methods = [_method_of(path, root) for path in paths]
    else:
        methods = [UNLABELLED] * len(paths)
    names = [str(path) for path in paths]
    return _completed(pd.DataFrame({"path": names, "method": methods}, dtype=str))


def _has_labels(root: Path) -> bool:
    """Whether `root` has the folder `real` or `fake`.

    Raises ValueError for other spellings, such as `Real`.
    """
    folders = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    for name in folders:
        if name.lower() in LABELS and name not in LABELS:
            raise ValueError(f"{root / name}: rename this folder to {name.lower()}")
    return any(name in LABELS for name in folders)


def _method_of(path: Path, root: Path) -> str:
    """The method of a clip in `real` or `fake`; `path` is relative to `root`.

    Raises ValueError for a clip elsewhere, and for a folder that is no method's name.
    """
    label, *folders = path.parts[:-1] or ("",)
    if label not in LABELS:
        raise ValueError(
            f"{root / path}: is neither in `real` nor in `fake`, the other folders "
            "there; move it into one of them, or to another folder as a source of its "
            "own (without labels), or name a `table`"
        )
    method = REAL if label == "real" else folders[0] if folders else UNKNOWN_METHOD
    if label == "fake" and not _is_method(method):
        reserved = ", ".join(RESERVED_METHODS)
        raise ValueError(
            f"{root / path}: its folder's name must be a method's name, and {method!r} "
            f"is not: use letters, digits, - and _ only, and none of {reserved}"
        )
    return method


def _videos(root: Path) -> list[Path]:
    """All videos below `root`, also in linked folders, sorted."""
    found = []
    for folder, subfolders, names in os.walk(root, followlinks=True):
        parents = [os.path.realpath(parent) for parent in Path(folder).parents]
        if os.path.realpath(folder) in parents:
            raise ValueError(f"{folder}: links to a folder that contains it")
        # os.walk does not enter folders that are removed from its list.
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if _is_video(name)]
    return sorted(found)


def _is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")


def _is_method(name: str) -> bool:
    """Whether a name is valid for the method of a fake."""
    valid = re.fullmatch(METHOD_PATTERN, name) is not None
    return valid and name not in RESERVED_METHODS


def _read_table(config: FolderConfig) -> pd.DataFrame:
    """The clips in the user's table. Raises ValueError if the table is invalid."""
    file = config.table
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # too many fields
            table = pd.read_csv(
                file,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                skip_blank_lines=False,  # they count in the numbers of rows
                index_col=False,
            ).fillna("")
    except pd.errors.ParserWarning:
        raise ValueError(
            f"{file}: its rows have more fields than the header; is there a comma at "
            "their end?"
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read as a table ({error})") from None
    known = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]
    unknown = sorted({*table.columns} - {*known})
    missing = sorted({*REQUIRED_COLUMNS} - {*table.columns})
    if unknown or missing:
        faults = [f"{column!r} is unknown" for column in unknown]
        faults += [f"{column!r} is needed" for column in missing]
        raise ValueError(
            f"{file}: its columns: {', '.join(faults)}; known are {', '.join(known)}"
        )
    _check_rows(table, str(file))
    table = table[~_is_blank(table)].reset_index(drop=True)
    label = table["label"].str.lower()
    method = table["method"] if "method" in table else pd.Series("", table.index)
    method = method.mask(method == "", UNKNOWN_METHOD)
    method = method.mask(label == "real", REAL).mask(label == "", UNLABELLED)
    return _completed(table.assign(method=method))


def _check_rows(table: pd.DataFrame, file: str) -> None:
    """Raise ValueError that names the invalid rows, each with its fault."""
    faults: list[str] = []
    seen: dict[str, int] = {}
    given = table.set_axis(range(2, len(table) + 2))[~_is_blank(table).to_numpy()]
    for number, row in given.to_dict("index").items():
        for key, problem in _faults(row):
            faults.append(f"{file}: row {number}: {key} = {row[key]!r}: {problem}")
        path = str(PurePosixPath(row["path"]))
        if path in seen:
            fault = f"path = {path!r}: is in row {seen[path]} already"
            faults.append(f"{file}: row {number}: {fault}")
        seen.setdefault(path, number)
    if faults:
        more = len(faults) - MAX_REPORTED_FAULTS
        message = "\n".join(faults[:MAX_REPORTED_FAULTS])
        raise ValueError(message + (f"\n... and {more} more" if more > 0 else ""))


def _is_blank(table: pd.DataFrame) -> pd.Series:
    """(N,) bool: rows without any text."""
    return (table == "").all(axis=1)


def _faults(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Column and fault of each invalid value in a row."""
    problem = path_fault(row["path"])
    if problem:
        yield "path", problem
    if row.get("mask") and (problem := path_fault(row["mask"])):
        yield "mask", problem
    label = row["label"].lower()
    if label not in (*LABELS, ""):
        yield "label", "is neither real nor fake, nor empty (unknown)"
    if label == "" and row.get("split", "") not in ("", "test"):
        yield "split", "a clip without a label can only be in the split test"
    elif label and "split" in row and row["split"] not in SPLITS:
        yield "split", "is not one of train, val, test"
    method = row.get("method")
    if method and label == "fake" and not _is_method(method):
        yield "method", "is not a name of a method: use letters, digits, - and _ only"
    if method and label == "":
        yield "method", "is given for a clip without a label; a fake has a method"
    if row.get("compression") not in (None, "", "raw", "c23", "c40", NATIVE):
        yield "compression", f"is not one of raw, c23, c40, {NATIVE}"
    for key in ("target", "source"):
        person = row.get(key, "")
        if re.search(r"[\x00-\x1f\x7f-\x9f]", person):
            yield key, "has a line break or another control character"
        elif person != person.strip():
            yield key, "begins or ends with a space: that would be another person"
    if row.get("sha256") and not re.fullmatch(r"[0-9a-fA-F]{64}", row["sha256"]):
        yield "sha256", "is not a SHA-256: it must have 64 hexadecimal digits"


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with all columns. A clip without a target counts as its own person."""
    table = table.assign(path=[str(PurePosixPath(p)) for p in table["path"]])
    for key in ("target", "source", "mask", "sha256", "compression"):
        if key not in table:
            table[key] = ""
    table["target"] = table["target"].mask(table["target"] == "", table["path"])
    compression = table["compression"]
    return table.assign(compression=compression.mask(compression == "", NATIVE))
