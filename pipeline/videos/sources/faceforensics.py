"""List the videos of FaceForensics++: the paths of videos and masks, and their splits.

A split is a list of pairs of sequences [a, b]. For each pair there are the real videos
a and b and, for each method, the fakes a_b and b_a, named <target>_<source> (Roessler
et al. 2019, and dataset/README in the authors' repository).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.config.sources import FaceForensicsConfig
from pipeline.files.checksums import file_sha256
from pipeline.videos.table import (
    REAL,
    SPLITS,
    VideoRow,
    leave_out,
    used,
    video_table,
)

SPLITS_FOLDER = "splits"  # in the data set's folder, unless another one is given
METHODS_WITHOUT_MASKS = frozenset({"FaceShifter"})

Pairs = Mapping[str, Sequence[tuple[str, str]]]

# SHA-256 of the authors' split files.
OFFICIAL_SHA256 = {
    "train": "e59386911255e6fb0a79a7808ec2210536b8c0474268342694c4bca766d1b347",
    "val": "b48cc511f66938e05356aaa9c67e150b1e3638c355db3d745225b0022884b36e",
    "test": "886f5a0da623c25820692e0d8dc33d197ddb1db527a7f1cfcb9bcbca60fe4f40",
}

# Pairs of sequences that were cut from the same YouTube video but are in two official
# splits, from the authors' conversion_dict.json.
SAME_VIDEO_PAIRS = (
    ("605", "606"),
    ("639", "640"),
    ("755", "756"),
    ("837", "838"),
    ("875", "876"),
    ("954", "955"),
    ("982", "983"),
)


def list_videos(config: FaceForensicsConfig, name: str) -> pd.DataFrame:
    """List the videos of all pairs; columns as in `table.COLUMNS`.

    Raises ValueError that names a split file that is missing or invalid.
    """
    pairs = read_splits(splits_folder(config), config.official_splits)
    if config.videos is not None:
        pairs = {s: listed[: config.videos // 2] for s, listed in pairs.items()}
    table = list_pairs(pairs, config.methods, config.compressions, dataset=name)
    if not config.masks:
        table["mask"] = ""
    return _without_leaks(table) if config.leaks == "drop" else table


def splits_folder(config: FaceForensicsConfig) -> Path:
    """Folder of the split files, whether they are given or fetched."""
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
    """Path of a fake's mask video below the data set's folder; "" if there is none."""
    if method == REAL or method in METHODS_WITHOUT_MASKS:
        return ""
    return f"manipulated_sequences/{method}/masks/videos/{name}.mp4"


def list_pairs(
    pairs: Pairs, methods: Sequence[str], compressions: Sequence[str], *, dataset: str
) -> pd.DataFrame:
    """List all videos of the pairs of each split, one row each, in a fixed order."""
    rows = (
        VideoRow(split, method, c, name, target, source, video_path(method, c, name))
        for c in compressions
        for split, split_pairs in pairs.items()
        for pair in split_pairs
        for method, name, target, source in _sequences(pair, methods)
    )
    return video_table(rows, dataset, mask_path)


def _sequences(
    pair: tuple[str, str], methods: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """Method, name, target and source of every video of a pair."""
    for name in pair:
        yield REAL, name, name, ""
    for method in methods:
        for target, source in (pair, pair[::-1]):
            yield method, f"{target}_{source}", target, source


def _without_leaks(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out training sequences of YouTube videos that are in two splits.

    Each of the seven YouTube videos has one sequence in the training split. Training
    loses least by leaving it out, and the official validation and test sets stay
    complete. The fakes that show the sequence are left out too.
    """
    for pair in SAME_VIDEO_PAIRS:
        shows = table["target"].isin(pair) | table["source"].isin(pair)
        if table.loc[shows & (table["split"] != ""), "split"].nunique() > 1:
            reason = f"{' and '.join(pair)} are of one YouTube video, in two splits"
            table = leave_out(table, shows & (table["split"] == "train"), reason)
    return table


def find_leaks(table: pd.DataFrame) -> list[tuple[str, dict[str, list[str]]]]:
    """YouTube videos with sequences in several splits, each with these by split.

    Looks only at the used videos.
    """
    table = used(table)
    split_of = dict(zip(table["target"], table["split"], strict=True))
    found = []
    for pair in SAME_VIDEO_PAIRS:
        sequences: dict[str, list[str]] = {}  # by split
        for sequence in filter(split_of.get, pair):
            sequences.setdefault(split_of[sequence], []).append(sequence)
        if len(sequences) > 1:
            found.append((f"YouTube video of {' and '.join(pair)}", sequences))
    return found


def read_splits(folder: Path, official: bool) -> dict[str, list[tuple[str, str]]]:
    """Read the pairs of each split from train.json, val.json and test.json.

    With `official`, the files must be the authors'. Raises ValueError that names a file
    that is missing, is not the authors' although it must be, is not a list of pairs of
    three-digit strings, or has a sequence that is in another split.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    split_of: dict[str, str] = {}
    for split in SPLITS:
        file = folder / f"{split}.json"
        pairs[split] = read_pairs(file)
        if official:
            check_official(file, split)
        for sequence in {name for pair in pairs[split] for name in pair}:
            if sequence in split_of:
                raise ValueError(
                    f"{file}: sequence {sequence} is in {split_of[sequence]}.json too; "
                    "a person seen in training must not be tested on: take the "
                    "authors' files as they are"
                )
            split_of[sequence] = split
    return pairs


def check_official(file: Path, split: str) -> None:
    """Raise ValueError unless a split file is the authors' own."""
    found = file_sha256(file)
    if found != OFFICIAL_SHA256[split]:
        raise ValueError(
            f"{file}: is not the authors' {split}.json (its SHA-256 is {found}, not "
            f"{OFFICIAL_SHA256[split]}); fetch it again from dataset/splits in their "
            "repository, or set sources.faceforensics.official_splits: false"
        )


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """Read the pairs of a split file. Raises ValueError that names an invalid file."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); sources.faceforensics.splits must be "
            "the folder with the authors' train.json, val.json and test.json, or the "
            "address of dataset/splits in their repository"
        ) from None
    seen: set[str] = set()
    for pair in listed if isinstance(listed, list) else [listed]:
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not is_pair or not all(_is_sequence(name) for name in pair):
            raise ValueError(f'{file}: {pair!r} is not a pair like ["071", "054"]')
        if seen & set(pair) or pair[0] == pair[1]:
            raise ValueError(f"{file}: a sequence of {pair!r} is in the file twice")
        seen |= set(pair)
    return [(a, b) for a, b in listed]


def _is_sequence(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[0-9]{3}", name) is not None
