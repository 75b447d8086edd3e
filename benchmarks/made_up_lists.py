"""Made-up file lists with the sizes and the layout of those of FaceForensics++."""

import json
import random
from pathlib import Path

SIZES = {"train": 720, "val": 140, "test": 140}  # sequences

# The official splits of the sequences that share a YouTube video.
PLACES = {
    **dict.fromkeys(["605", "639", "756", "838", "876", "954", "983"], "train"),
    **dict.fromkeys(["606", "640", "837", "875", "982"], "val"),
    **dict.fromkeys(["755", "955"], "test"),
}


def write_splits(folder: Path) -> None:
    """Write splits of all 1,000 sequences, with the official sizes and leaks."""
    others = [f"{n:03d}" for n in range(1000) if f"{n:03d}" not in PLACES]
    random.Random(0).shuffle(others)
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in SIZES.items():
        names = [name for name, own in PLACES.items() if own == split]
        names += [others.pop() for _ in range(size - len(names))]
        random.Random(1).shuffle(names)
        pairs = list(zip(names[::2], names[1::2], strict=True))
        (folder / f"{split}.json").write_text(json.dumps(pairs))


def write_names(file: Path) -> None:
    """Write a list as long as that of DeepFakeDetection: 363 originals, 3,068 fakes."""
    rng = random.Random(0)
    actors = [f"{n:02d}" for n in range(1, 29)]
    scenes = [f"scene_{n}" for n in range(13)]
    real = [f"{a}__{s}" for a in actors for s in scenes][:363]
    fakes: set[str] = set()
    while len(fakes) < 3068:
        target, source = rng.sample(actors, 2)
        mark = f"{rng.randrange(16**8):08X}"
        fakes.add(f"{target}_{source}__{rng.choice(scenes)}__{mark}")
    listed = {"actors": real, "DeepFakesDetection": sorted(fakes)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(listed))
