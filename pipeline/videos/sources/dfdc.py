"""The Deepfake Detection Challenge's data set (Dolhansky et al. 2020).

Folders hold clips and a `metadata.json`: {file: {label: REAL or FAKE, split, original}}
where a fake's `original` is the real clip that it was made of.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.sources import DFDCConfig
from pipeline.statistics.seeds import stable_share
from pipeline.videos.paths import path_fault
from pipeline.videos.table import NATIVE, REAL, subset, video_rows, with_originals

METHOD = "DFDC"
METADATA = "metadata.json"


def list_videos(config: DFDCConfig, name: str) -> pd.DataFrame:
    """All clips that the folders' metadata list; `table.COLUMNS`.

    People are not named, but a folder's clips are of the same few: folders go to
    splits as a whole. Raises ValueError that names the file and the clip.
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
        for clip, about in _read(file).items():
            where = f"{file}: {clip!r}"
            original = _original(clip, about, where)
            relative = folder / clip
            method = METHOD if original else REAL
            target = Path(original or clip).stem
            row = (method, NATIVE, str(relative.with_suffix("")), target, "")
            rows.append((splits[file], *row, str(relative)))
    table = video_rows(rows, name)
    folders = table["path"].map(lambda path: str(Path(path).parent))
    table = with_originals(table, folders + "/" + table["target"])
    return subset(table, table["target"], config.videos)


def _splits(files: list[Path], config: DFDCConfig) -> dict[Path, str]:
    """Which split each folder is in: one in ten validates, one in five tests."""
    if config.use == "test":
        return dict.fromkeys(files, "test")
    if len(files) < 3:
        raise ValueError(
            f"{config.root}: training needs three folders with a {METADATA}, or more, "
            f"and there are {len(files)}; set sources.dfdc.use: test"
        )
    order = sorted(files, key=lambda file: stable_share(f"dfdc {file.parent.name}"))
    validated, tested = max(1, len(files) // 10), max(1, len(files) // 5)
    names = ["val"] * validated + ["test"] * tested
    names += ["train"] * (len(files) - len(names))
    return dict(zip(order, names, strict=True))


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from None
    if not isinstance(listed, dict):
        raise ValueError(f"{file}: holds no object of clips")
    return dict(sorted(listed.items()))


def _original(clip: str, about: Any, where: str) -> str:
    """A fake's original; "" for a real clip."""
    if not _is_clip(clip):
        raise ValueError(f"{where}: is no name of a clip like aalscayrfi.mp4")
    if not isinstance(about, dict) or about.get("label") not in ("REAL", "FAKE"):
        raise ValueError(f"{where}: its label is neither REAL nor FAKE")
    if about["label"] == "REAL":
        return ""
    original = about.get("original") or clip
    if not _is_clip(original):
        raise ValueError(f"{where}: its original {original!r} is no name of a clip")
    return original


def _is_clip(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w-]*\.mp4", name) is not None
