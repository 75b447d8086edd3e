"""FaceForensics++'s folders: where each video and mask lies, and which split it is in.

A split lists pairs of sequences [a, b]. Each gives the real videos a and b and, for
each method, the fakes a_b and b_a: <target>_<source> (Roessler et al. 2019, and the
authors' repository, dataset/README).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.config.sources import FaceForensicsConfig
from pipeline.files.checksums import file_sha256
from pipeline.videos.table import REAL, SPLITS, leave_out, used, video_rows

SPLITS_FOLDER = "splits"  # below the data set's folder, where no other is given
WITHOUT_MASKS = frozenset({"FaceShifter"})
Pairs = Mapping[str, Sequence[tuple[str, str]]]

# SHA-256 of the authors' split files.
OFFICIAL = {
    "train": "e59386911255e6fb0a79a7808ec2210536b8c0474268342694c4bca766d1b347",
    "val": "b48cc511f66938e05356aaa9c67e150b1e3638c355db3d745225b0022884b36e",
    "test": "886f5a0da623c25820692e0d8dc33d197ddb1db527a7f1cfcb9bcbca60fe4f40",
}

# Sequences that were cut from one YouTube video and stand in two official splits, by
# the authors' conversion_dict.json.
SAME_VIDEO = (
    ("605", "606"),
    ("639", "640"),
    ("755", "756"),
    ("837", "838"),
    ("875", "876"),
    ("954", "955"),
    ("982", "983"),
)


def list_videos(config: FaceForensicsConfig, name: str) -> pd.DataFrame:
    """The videos of all pairs; `table.COLUMNS`.

    Raises ValueError that names the file where a split file is amiss.
    """
    pairs = read_splits(splits_folder(config), config.official_splits)
    if config.videos is not None:
        pairs = {s: listed[: config.videos // 2] for s, listed in pairs.items()}
    table = list_pairs(pairs, config.methods, config.compressions, name)
    if not config.masks:
        table["mask"] = ""
    return _without_leaks(table) if config.leaks == "drop" else table


def splits_folder(config: FaceForensicsConfig) -> Path:
    """Where the split files are, or are fetched to."""
    if config.splits is None or "://" in config.splits:
        return Path(config.root) / SPLITS_FOLDER
    return Path(config.splits)


def video_path(method: str, compression: str, name: str) -> str:
    """Path of a video below the data set's folder; `method` may be REAL."""
    folder = (
        "original_sequences/youtube"
        if method == REAL
        else f"manipulated_sequences/{method}"
    )
    return f"{folder}/{compression}/videos/{name}.mp4"


def mask_path(method: str, name: str) -> str:
    """Path of a fake's mask video below the data set's folder; "" where none exists."""
    if method == REAL or method in WITHOUT_MASKS:
        return ""
    return f"manipulated_sequences/{method}/masks/videos/{name}.mp4"


def list_pairs(
    pairs: Pairs, methods: Sequence[str], compressions: Sequence[str], dataset: str
) -> pd.DataFrame:
    """All videos of the pairs of each split, one row each, in a fixed order."""
    rows = (
        (split, method, c, name, target, source, video_path(method, c, name))
        for c in compressions
        for split, listed in pairs.items()
        for pair in listed
        for method, name, target, source in _sequences(pair, methods)
    )
    return video_rows(rows, dataset, mask_path)


def _sequences(
    pair: tuple[str, str], methods: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """(method, name, target, source) of every video of a pair."""
    for name in pair:
        yield REAL, name, name, ""
    for method in methods:
        for target, source in (pair, pair[::-1]):
            yield method, f"{target}_{source}", target, source


def _without_leaks(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what shows the training sequence of a YouTube video in two splits.

    All seven have one in training, where it is missed least, and without which the
    official validation and test sets stay whole.
    """
    for pair in SAME_VIDEO:
        shows = table["target"].isin(pair) | table["source"].isin(pair)
        if table.loc[shows & (table["split"] != ""), "split"].nunique() > 1:
            reason = f"{' and '.join(pair)} are of one YouTube video, in two splits"
            table = leave_out(table, shows & (table["split"] == "train"), reason)
    return table


def leaks(table: pd.DataFrame) -> list[tuple[str, dict[str, list[str]]]]:
    """YouTube videos with sequences in several splits of the used videos, each with
    the sequences by split."""
    table = used(table)
    split_of = dict(zip(table["target"], table["split"], strict=True))
    found = []
    for pair in SAME_VIDEO:
        places: dict[str, list[str]] = {}
        for sequence in filter(split_of.get, pair):
            places.setdefault(split_of[sequence], []).append(sequence)
        if len(places) > 1:
            found.append((f"YouTube video of {' and '.join(pair)}", places))
    return found


def read_splits(folder: Path, official: bool) -> dict[str, list[tuple[str, str]]]:
    """The pairs of each split, from the authors' train.json, val.json and test.json.

    Raises ValueError that names the file if one is missing, is not the authors' where
    it has to be, is no list of pairs of three-digit strings, or has a sequence that
    another split has as well.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    owners: dict[str, str] = {}
    for split in SPLITS:
        file = folder / f"{split}.json"
        pairs[split] = read_pairs(file)
        if official:
            check_official(file, split)
        for sequence in {name for pair in pairs[split] for name in pair}:
            if sequence in owners:
                raise ValueError(
                    f"{file}: sequence {sequence} is in {owners[sequence]}.json too; a "
                    "person seen in training must not be tested on: take the authors' "
                    "files as they are"
                )
            owners[sequence] = split
    return pairs


def check_official(file: Path, split: str) -> None:
    """Raise ValueError unless a split file is the authors'."""
    found = file_sha256(file)
    if found != OFFICIAL[split]:
        raise ValueError(
            f"{file}: is not the authors' {split}.json (its SHA-256 is {found}, not "
            f"{OFFICIAL[split]}); fetch it again from dataset/splits in their "
            "repository, or set sources.faceforensics.official_splits: false"
        )


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """The pairs of a split file; ValueError that names it if it is none."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); sources.faceforensics.splits wants the "
            "folder with the authors' train.json, val.json and test.json, or the "
            "address of dataset/splits in their repository"
        ) from None
    seen: set[str] = set()
    for pair in listed if isinstance(listed, list) else [listed]:
        well = isinstance(pair, list) and len(pair) == 2
        if not well or not all(_is_sequence(name) for name in pair):
            raise ValueError(f'{file}: {pair!r} is no pair like ["071", "054"]')
        if seen & set(pair) or pair[0] == pair[1]:
            raise ValueError(f"{file}: a sequence of {pair!r} is in the file twice")
        seen |= set(pair)
    return [(a, b) for a, b in listed]


def _is_sequence(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[0-9]{3}", name) is not None
