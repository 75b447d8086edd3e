"""The test clips of the miniature corpus in the folder layout of each data set."""

import json
import shutil
from pathlib import Path

import pandas as pd

# Clips of the test split.
REAL_CLIPS = ("004", "005")
FAKE_CLIPS = ("004_005", "005_004")

AWKWARD_NAME = 'it\'s "odd"; $(touch x) *?[a]~ ümläut & b.mp4'


def clip(data: Path, name: str) -> Path:
    """The path of a clip of the corpus in `data`."""
    method = "manipulated_sequences/Deepfakes" if "_" in name else "original_sequences"
    folder = method if "_" in name else f"{method}/youtube"
    return data / folder / "c23/videos" / f"{name}.mp4"


def celebdf(data: Path, root: Path) -> dict[str, str]:
    """Copy the test clips to `root` in the layout of Celeb-DF.

    Returns the name of each clip in the corpus, by its path below `root`. The other
    functions of LAYOUTS do the same for their data sets.
    """
    names = {
        "Celeb-real/id4_0000.mp4": REAL_CLIPS[0],
        "YouTube-real/00005.mp4": REAL_CLIPS[1],
        "Celeb-synthesis/id4_id5_0000.mp4": FAKE_CLIPS[0],
        "Celeb-synthesis/id5_id4_0000.mp4": FAKE_CLIPS[1],
    }
    lines = [f"{int(path[0] != 'C' or 'real' in path)} {path}" for path in names]
    copy(data, root, names)
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines))
    return names


def dfdc(data: Path, root: Path) -> dict[str, str]:
    """Copy the test clips to `root` in the layout of DFDC."""
    names = {
        "dfdc_train_part_0/aaaa.mp4": REAL_CLIPS[0],
        "dfdc_train_part_0/bbbb.mp4": REAL_CLIPS[1],
        "dfdc_train_part_1/cccc.mp4": FAKE_CLIPS[0],
        "dfdc_train_part_1/dddd.mp4": FAKE_CLIPS[1],
    }
    copy(data, root, names)
    for part in (0, 1):
        folder = root / f"dfdc_train_part_{part}"
        about = {"label": "FAKE" if part else "REAL", "split": "train"}
        about |= {"original": "aaaa.mp4"} if part else {}
        clips = {path.name: about for path in folder.glob("*.mp4")}
        (folder / "metadata.json").write_text(json.dumps(clips))
    return names


def deepfakedetection(data: Path, root: Path) -> dict[str, str]:
    """Copy the test clips to `root` in the layout of DeepFakeDetection."""
    fakes = "manipulated_sequences/DeepFakeDetection"
    names = {
        "original_sequences/actors/c23/videos/24__talking.mp4": REAL_CLIPS[0],
        "original_sequences/actors/c23/videos/25__talking.mp4": REAL_CLIPS[1],
        f"{fakes}/c23/videos/24_25__talking__ABCD1234.mp4": FAKE_CLIPS[0],
        f"{fakes}/c23/videos/25_24__talking__ABCD1235.mp4": FAKE_CLIPS[1],
    }
    copy(data, root, names)
    folder = data / "manipulated_sequences/Deepfakes/masks/videos"
    (root / fakes / "masks/videos").mkdir(parents=True)
    for path, name in [*names.items()][2:]:
        mask = root / path.replace("c23", "masks")
        shutil.copy(folder / f"{name}.mp4", mask)
    return names


def own(data: Path, root: Path) -> dict[str, str]:
    """Copy the test clips to `root` as a user's own data set with a table of clips.

    Some names are awkward for a shell.
    """
    names = {
        f"a b/{AWKWARD_NAME}": REAL_CLIPS[0],
        "real.mp4": REAL_CLIPS[1],
        f"-rf/{AWKWARD_NAME}": FAKE_CLIPS[0],
        "#fake?.mp4": FAKE_CLIPS[1],
    }
    copy(data, root, names)
    table = pd.DataFrame({"path": [*names], "label": ["real", "real", "fake", "fake"]})
    table.to_csv(root / "clips.csv", index=False)
    return names


def copy(data: Path, root: Path, names: dict[str, str]) -> None:
    """Copy each clip of `names` to its path below `root`."""
    for path, name in names.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip(data, name), root / path)


LAYOUTS = {
    "celebdf": celebdf,
    "dfdc": dfdc,
    "deepfakedetection": deepfakedetection,
    "mine": own,
}
