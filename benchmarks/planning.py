"""Time and memory of `snakemake -n` over data sets of FaceForensics++'s size.

    python -m benchmarks.planning

Each plan is made twice. First the videos are on a server, so only file lists are read.
Then all videos and masks are on disk, as empty files. There are two models, one
protocol, and shards of about a hundred videos.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.made_up_lists import write_names, write_splits
from pipeline.config.sources import SourcesConfig
from pipeline.videos.listing import list_videos
from pipeline.videos.shard_table import files_of
from pipeline.videos.table import used

REPOSITORY = Path(__file__).parents[1]
METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"]
MODELS = {"xception": {"timm": "legacy_xception"}, "densenet": {"timm": "densenet121"}}

# Sequences of each split (None: all), whether with DeepFakeDetection, compressions.
PLANS: list[tuple[int | None, bool, list[str]]] = [
    (56, False, ["c23"]),
    (140, False, ["c23"]),
    (None, False, ["c23"]),
    (None, True, ["c23"]),
    (None, True, ["c23", "c40"]),
]


def sources(
    root: Path, subset: int | None, filmed: bool, compressions: list[str], served: bool
) -> dict[str, Any]:
    """The `sources` section of the configuration of a plan."""
    server = {"server": "http://localhost", "agree_to_terms": True} if served else {}
    common = {"root": str(root), "compressions": compressions, **server}
    parts = 1 if subset is None else 6
    shards = {"train": 40 // parts, "val": max(1, 8 // parts), "test": 8 // parts + 1}
    own = {"official_splits": False, "methods": METHODS, "videos": subset}
    names = str(root / "misc/deepfake_detection_filenames.json")
    section: dict[str, Any] = {"faceforensics": {**common, **own, "shards": shards}}
    if filmed:
        shards = {"train": 16, "val": 2, "test": 4}
        section["deepfakedetection"] = {**common, "names": names, "shards": shards}
    return section


def plan(folder: Path, section: dict[str, Any]) -> tuple[float, float, int]:
    """Run a dry run. Returns its seconds, its peak memory in MB, and its jobs."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"sources": section, "models": MODELS}))
    command = [sys.executable, "-m", "snakemake", "all", "-n", "--quiet", "rules"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", config]
    start = time.perf_counter()
    with open(folder / "output", "w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    printed = (folder / "output").read_text()
    assert os.waitstatus_to_exitcode(status) == 0, printed[-3000:]
    jobs = [line.split() for line in printed.splitlines() if line.startswith("total ")]
    return seconds, usage.ru_maxrss / 1024, int(jobs[0][1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=len(PLANS))
    rows = []
    for subset, filmed, compressions in PLANS[: parser.parse_args().plans]:
        for served in (True, False):
            with tempfile.TemporaryDirectory() as name:
                root = Path(name) / "data"
                write_splits(root / "splits")
                write_names(root / "misc/deepfake_detection_filenames.json")
                section = sources(root, subset, filmed, compressions, served)
                table = used(list_videos(SourcesConfig.model_validate(section)))
                files = files_of(table)
                for file in [] if served else files:
                    (root / file).parent.mkdir(parents=True, exist_ok=True)
                    (root / file).touch()
                seconds, megabytes, jobs = plan(Path(name), section)
            place = "server" if served else "disk"
            rows.append((place, len(table), len(files), jobs, seconds, megabytes))
    columns = ["on", "videos", "files", "jobs", "s", "MB"]
    print(pd.DataFrame(rows, columns=columns).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
