"""Memory of an extraction of many videos, after the first videos and at the end.

    python -m benchmarks.extraction_memory [--videos N] [--early N]

The proportional set sizes of all processes of the job are added up. So memory that
processes share counts once. The memory of a worker grows until the worker is replaced.
So each figure is a mean over several videos.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from pipeline.config.faces import FacesConfig
from pipeline.faces.extraction_pool import Task, extract_all
from pipeline.faces.shards import writing_faces
from pipeline.files.checksums import file_sha256
from pipeline.videos.miniature.corpus import write_video
from pipeline.videos.miniature.scene import make_scene, real_frames

AVERAGED_VIDEOS = 20  # for each figure
CROP_SIZE = 224  # px


def make_videos(folder: Path, count: int) -> Iterator[Task]:
    """Yield tasks for `count` videos: few drawn persons, each under many names."""
    drawn = [folder / f"person{number}.mp4" for number in range(5)]
    for number, path in enumerate(drawn):
        write_video(path, real_frames(make_scene(0, number, (40, 80))), 23)
    sums = {path: file_sha256(path) for path in drawn}
    for number in range(count):
        source = drawn[number % len(drawn)]
        name = f"video{number:04d}.mp4"
        (folder / name).hardlink_to(source)
        yield Task(folder, name, "", {name: sums[source]})


def memory() -> float:
    """The memory of this process and its descendants, in MB."""
    own = psutil.Process()
    total = 0
    for process in [own, *own.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:  # the worker was just replaced
            continue
    return total / 2**20


def measure(videos: int, workers: int) -> np.ndarray:
    """The memory after each video in MB, (videos,)."""
    config = FacesConfig(frames=32, size=CROP_SIZE)
    held = []
    with tempfile.TemporaryDirectory() as name:
        tasks = list(make_videos(Path(name), videos))
        with writing_faces(Path(name) / "s.h5", CROP_SIZE, {}, {"video": str}) as shard:
            for task, faces in zip(
                tasks, extract_all(tasks, config, workers), strict=True
            ):
                shard.add({"video": task.video}, faces)
                held.append(memory())
    return np.array(held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=300)
    early_help = "number of videos after which the early memory is measured"
    parser.add_argument("--early", type=int, default=30, help=early_help)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    held = measure(args.videos, args.workers)
    half = AVERAGED_VIDEOS // 2
    early = held[args.early - half : args.early + half].mean()
    late = held[-AVERAGED_VIDEOS:].mean()
    figures = {"early_mb": early, "late_mb": late, "peak_mb": held.max()}
    figures["late_over_early"] = late / early
    print(json.dumps({name: round(float(value), 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
