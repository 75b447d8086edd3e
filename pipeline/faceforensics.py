"""FaceForensics++'s folders: where each video and mask lies, and which split it is in.

A split lists pairs of sequences [a, b]. Each gives the real videos a and b and, for
each method, the fakes a_b and b_a: <target>_<source> (Roessler et al. 2019, and the
authors' repository, dataset/README).
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

SPLITS = ("train", "val", "test")
REAL = "real"  # what stands in the column `method` for original videos
WITHOUT_MASKS = frozenset({"FaceShifter"})
Pairs = Mapping[str, Sequence[tuple[str, str]]]


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


def list_videos(
    pairs: Pairs, methods: Sequence[str], compressions: Sequence[str], dataset: str
) -> pd.DataFrame:
    """All videos of the pairs of each split, one row each, in a fixed order.

    Columns: video (its id), dataset, split, label (0 real, 1 fake), method,
    compression, target, source, path and mask (below the data set's folder).
    """
    rows = [
        (
            f"{dataset}/{compression}/{method}/{name}",
            dataset,
            split,
            int(method != REAL),
            method,
            compression,
            target,
            source,
            video_path(method, compression, name),
            mask_path(method, name),
        )
        for compression in compressions
        for split, listed in pairs.items()
        for pair in listed
        for method, name, target, source in _sequences(pair, methods)
    ]
    columns = "video dataset split label method compression target source path mask"
    return pd.DataFrame(rows, columns=columns.split())


def _sequences(
    pair: tuple[str, str], methods: Sequence[str]
) -> list[tuple[str, str, str, str]]:
    """(method, name, target, source) of every video of a pair."""
    a, b = pair
    reals = [(REAL, name, name, "") for name in (a, b)]
    orders = ((a, b), (b, a))
    return reals + [(m, f"{t}_{s}", t, s) for m in methods for t, s in orders]


def read_splits(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """The pairs of each split, from the authors' train.json, val.json and test.json.

    Raises ValueError that names the file if one is missing, is no list of pairs of
    three-digit strings, or has a sequence that another split has as well.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    owners: dict[str, str] = {}
    for split in SPLITS:
        file = folder / f"{split}.json"
        pairs[split] = _read_pairs(file)
        for sequence in {name for pair in pairs[split] for name in pair}:
            if sequence in owners:
                raise ValueError(
                    f"{file}: sequence {sequence} is in {owners[sequence]}.json too; a "
                    "person seen in training must not be tested on: take the authors' "
                    "files as they are"
                )
            owners[sequence] = split
    return pairs


def _read_pairs(file: Path) -> list[tuple[str, str]]:
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be read ({error}); videos.splits wants the folder with "
            "the authors' train.json, val.json and test.json"
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
