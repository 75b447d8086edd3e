"""The test clips of the miniature corpus, laid out as each data set has them."""

import json
import shutil
from pathlib import Path

import pandas as pd

REALS = ("004", "005")  # of the test split

FAKES = ("004_005", "005_004")

ODD = 'it\'s "odd"; $(touch x) *?[a]~ ümläut & b.mp4'


def clip(data: Path, name: str) -> Path:
    method = "manipulated_sequences/Deepfakes" if "_" in name else "original_sequences"
    folder = method if "_" in name else f"{method}/youtube"
    return data / folder / "c23/videos" / f"{name}.mp4"


def celebdf(data: Path, root: Path) -> dict[str, str]:
    """Lays the test clips out as Celeb-DF has them; each clip by its path there."""
    names = {
        "Celeb-real/id4_0000.mp4": REALS[0],
        "YouTube-real/00005.mp4": REALS[1],
        "Celeb-synthesis/id4_id5_0000.mp4": FAKES[0],
        "Celeb-synthesis/id5_id4_0000.mp4": FAKES[1],
    }
    lines = [f"{int(path[0] != 'C' or 'real' in path)} {path}" for path in names]
    copy(data, root, names)
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines))
    return names


def dfdc(data: Path, root: Path) -> dict[str, str]:
    names = {
        "dfdc_train_part_0/aaaa.mp4": REALS[0],
        "dfdc_train_part_0/bbbb.mp4": REALS[1],
        "dfdc_train_part_1/cccc.mp4": FAKES[0],
        "dfdc_train_part_1/dddd.mp4": FAKES[1],
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
    fakes = "manipulated_sequences/DeepFakeDetection"
    names = {
        "original_sequences/actors/c23/videos/24__talking.mp4": REALS[0],
        "original_sequences/actors/c23/videos/25__talking.mp4": REALS[1],
        f"{fakes}/c23/videos/24_25__talking__ABCD1234.mp4": FAKES[0],
        f"{fakes}/c23/videos/25_24__talking__ABCD1235.mp4": FAKES[1],
    }
    copy(data, root, names)
    folder = data / "manipulated_sequences/Deepfakes/masks/videos"
    (root / fakes / "masks/videos").mkdir(parents=True)
    for path, name in [*names.items()][2:]:
        mask = root / path.replace("c23", "masks")
        shutil.copy(folder / f"{name}.mp4", mask)
    return names


def own(data: Path, root: Path) -> dict[str, str]:
    names = {
        f"a b/{ODD}": REALS[0],
        "real.mp4": REALS[1],
        f"-rf/{ODD}": FAKES[0],
        "#fake?.mp4": FAKES[1],
    }
    copy(data, root, names)
    table = pd.DataFrame({"path": [*names], "label": ["real", "real", "fake", "fake"]})
    table.to_csv(root / "clips.csv", index=False)
    return names


def copy(data: Path, root: Path, names: dict[str, str]) -> None:
    for path, name in names.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip(data, name), root / path)


LAYOUTS = {
    "celebdf": celebdf,
    "dfdc": dfdc,
    "deepfakedetection": deepfakedetection,
    "mine": own,
}
