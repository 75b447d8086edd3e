"""List the clips of the Deepfake Detection Challenge (Dolhansky et al. 2020).

Each folder has clips and a `metadata.json`: {file: {label: REAL or FAKE, split,
original}}. The `original` of a fake is the real clip that it was made from.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.sources import DFDCConfig
from pipeline.statistics.seeds import stable_share
from pipeline.videos.paths import path_fault
from pipeline.videos.table import (
    NATIVE,
    REAL,
    VideoRow,
    subset,
    video_table,
    with_originals,
)

METHOD = "DFDC"
METADATA = "metadata.json"


def list_videos(config: DFDCConfig, name: str) -> pd.DataFrame:
    """List all clips in the metadata of the folders; columns as in `table.COLUMNS`.

    The metadata does not name persons, but the clips of a folder show the same few
    persons. All clips of a folder are therefore in the same split, and are one unit.
    Raises ValueError that names the file and the clip if the metadata is invalid.
    """
    root = Path(config.root)
    single = root / METADATA
    files = [single] if single.is_file() else sorted(root.glob(f"*/{METADATA}"))
    if not files:
        raise ValueError(
            f"{root}: has no {METADATA}, nor a folder with one; give the data set's "
            "folder as sources.dfdc.root"
        )
    splits = _splits(files, config)
    rows = []
    for file in files:
        folder = file.parent.relative_to(root)
        fault = path_fault(str(folder / METADATA))
        if fault:
            raise ValueError(f"{str(file.parent)!r}: the name {fault}; rename it")
        for clip, entry in _read(file).items():
            original = _original(clip, entry, f"{file}: {clip!r}")
            relative = folder / clip
            rows.append(
                VideoRow(
                    split=splits[file],
                    method=METHOD if original else REAL,
                    compression=NATIVE,
                    name=str(relative.with_suffix("")),
                    target=Path(original or clip).stem,
                    source="",
                    path=str(relative),
                )
            )
    table = video_table(rows, name)
    folders = table["path"].map(lambda path: str(Path(path).parent))
    table = with_originals(table, folders + "/" + table["target"])
    table = table.assign(unit=table["dataset"] + "/" + folders)
    return subset(table, table["target"], config.videos)


def _splits(files: list[Path], config: DFDCConfig) -> dict[Path, str]:
    """The split of each folder: a tenth are for validation, a fifth for testing."""
    if config.use == "test":
        return dict.fromkeys(files, "test")
    if len(files) < 3:
        raise ValueError(
            f"{config.root}: training needs three folders with a {METADATA}, or more, "
            f"but there are {len(files)}; set sources.dfdc.use: test"
        )
    order = sorted(files, key=lambda file: stable_share(f"dfdc {file.parent.name}"))
    n_val, n_test = max(1, len(files) // 10), max(1, len(files) // 5)
    names = ["val"] * n_val + ["test"] * n_test
    names += ["train"] * (len(files) - len(names))
    return dict(zip(order, names, strict=True))


def _read(file: Path) -> dict[str, Any]:
    """The entries of a metadata file by the clip's name, sorted, not yet checked."""
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from None
    if not isinstance(listed, dict):
        raise ValueError(f"{file}: is not a JSON object of clips")
    return dict(sorted(listed.items()))


def _original(clip: str, entry: Any, where: str) -> str:
    """The original of a fake; "" for a real clip.

    Raises ValueError, beginning with `where`, if the name or the entry is invalid.
    """
    if not _is_clip(clip):
        raise ValueError(f"{where}: is not a name of a clip like aalscayrfi.mp4")
    if not isinstance(entry, dict) or entry.get("label") not in ("REAL", "FAKE"):
        raise ValueError(f"{where}: its label is neither REAL nor FAKE")
    if entry["label"] == "REAL":
        return ""
    original = entry.get("original") or clip
    if not _is_clip(original):
        raise ValueError(f"{where}: its original {original!r} is not a name of a clip")
    return original


def _is_clip(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w-]*\.mp4", name) is not None
