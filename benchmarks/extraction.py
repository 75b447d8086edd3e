"""Time to extract faces: ours, the usual recipe, and the limit.

    python -m benchmarks.extraction [--detector NAME] [--threshold SCORE]
        [--clips FOLDER] [--count N] [--workers N] [--cpu]

The usual recipe is that of most public preprocessing code. OpenCV's VideoCapture reads
one frame after another and writes each as a PNG. Then each PNG is read, its face is
found and cropped, and the crop is written as a PNG. The recipe uses the same face
detector with the same settings as ours, on one complete image at a time. CenterFace
there is our torch network, on as many cores as ours has workers: this is twice as fast
as OpenCV's. For 32 frames of a clip the recipe is measured twice: it writes all frames
and then picks 32, or it writes only these 32. The limit is the ffmpeg command, which
decodes the same clips and discards the frames. It uses as many threads as ours has
workers.

Ours is the complete job: it starts the workers, takes checksums, decodes, finds and
tracks faces, crops, and writes the shard. Only the import of torch, which takes one or
two seconds, is not in it. For 32 frames, ours and the limit read each clip under
several names, so that the number of videos is that of a real shard. The usual recipe
reads each clip once, because its rate does not depend on their number. "Detection" is
the CPU time of CenterFace as a share of the time of all cores.

`--cpu` measures the CPU time of the same work instead of its wall time, for 32 crops of
a clip. It changes little if other programs compute meanwhile. The limit and the recipe
then use one thread, so that no thread waits for another.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import torch

from benchmarks.clips import CLIP_KINDS, add_clip_arguments, ffmpeg, make_clips
from benchmarks.timing import timed
from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop, square_boxes
from pipeline.faces.detection.calibration import CALIBRATIONS
from pipeline.faces.detection.centerface import CenterFaceDetector
from pipeline.faces.detection.face_detector import Detections
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.detection.shrinking import enlarge, shrink
from pipeline.faces.extraction_pool import Task, extract_all
from pipeline.faces.shards import writing_faces
from pipeline.files.checksums import file_sha256
from pipeline.statistics.sampling import evenly_spaced

CROP_SIZE, CROP_MARGIN = 299, 1.3
NAMES_OF_A_CLIP = 6


def limit(clips: list[Path], threads: int) -> None:
    """Decode all frames and discard them."""
    for clip in clips:
        ffmpeg("-threads", threads, "-i", clip, "-f", "null", "-")


def ours(clips: list[Path], config: FacesConfig, workers: int, folder: Path) -> int:
    """The work of the rule extract_faces. Returns the number of crops."""
    sums = {clip.name: file_sha256(clip) for clip in clips}
    tasks = [Task(c.parent, c.name, "", {c.name: sums[c.name]}) for c in clips]
    columns = {"video": str}
    with writing_faces(folder / "shard.h5", CROP_SIZE, {}, columns) as shard:
        results = extract_all(tasks, config, workers)
        for clip, faces in zip(clips, results, strict=True):
            shard.add({"video": clip.name}, faces)
        return sum(row["crops"] for row in shard.rows)


def finder(config: FacesConfig) -> Callable[[np.ndarray], Detections]:
    """The configured face detector, for one complete image (H, W, 3) at a time."""
    if config.detector == "haar":
        cascade = HaarDetector(config.min_face)
        return lambda image: cascade.detect(image[None])[0]
    network = CenterFaceDetector(config.detection_size, config.detection_threshold)

    def find(image: np.ndarray) -> Detections:
        small = shrink(image[None], config.detection_size)
        return enlarge(network.search(small)[0], small, image[None])

    return find


@contextmanager
def detection_seconds() -> Iterator[list[float]]:
    """Yield a list that gets the CPU seconds of each call of CenterFace."""
    seconds: list[float] = []
    detect = CenterFaceDetector.detect_films

    def timed_detect(
        self: CenterFaceDetector, films: Sequence[np.ndarray]
    ) -> list[list[Detections]]:
        began = time.thread_time()
        found = detect(self, films)
        seconds.append(time.thread_time() - began)
        return found

    CenterFaceDetector.detect_films = timed_detect
    try:
        yield seconds
    finally:
        CenterFaceDetector.detect_films = detect


def usual(
    clips: list[Path], config: FacesConfig, workers: int, folder: Path, dump_all: bool
) -> int:
    """The usual recipe. Returns the number of crops."""
    find, frames, crops = finder(config), config.frames, 0
    torch.set_num_threads(workers)
    cv2.setNumThreads(workers)
    for clip in clips:
        pictures = _dump(clip, frames, folder, dump_all)
        for place in evenly_spaced(len(pictures), frames):
            frame = cv2.cvtColor(cv2.imread(str(pictures[place])), cv2.COLOR_BGR2RGB)
            boxes = find(frame).boxes
            if len(boxes):
                largest = boxes[[(boxes[:, 2] - boxes[:, 0]).argmax()]]
                calibration = CALIBRATIONS[config.detector]
                square = square_boxes(
                    largest, calibration, CROP_MARGIN, frame.shape[:2]
                )
                (face,) = crop(frame[None], square, CROP_SIZE)
                name = str(folder / f"{clip.stem}_{place}_face.png")
                cv2.imwrite(name, cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
                crops += 1
        for picture in pictures:
            picture.unlink()
    return crops


def _dump(clip: Path, frames: int, folder: Path, dump_all: bool) -> list[Path]:
    """Write all frames of a clip as PNGs, or `frames` evenly spaced ones."""
    reader, pictures = cv2.VideoCapture(str(clip)), []
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(np.arange(total) if dump_all else evenly_spaced(total, frames))
    for number in range(total):
        success, frame = reader.read()
        if success and number in wanted:
            pictures.append(folder / f"{clip.stem}_{number:05d}.png")
            cv2.imwrite(str(pictures[-1]), frame)
    return pictures


def measure(clips: list[Path], config: FacesConfig, workers: int) -> dict[str, float]:
    """Seconds, rates and ratios for one kind of clips."""
    few = config.frames < 1000
    ran: list[tuple[float, float]] = []  # seconds, share of detection

    def run_ours() -> None:
        began = time.perf_counter()
        with detection_seconds() as seconds:
            crops["ours"] = ours(videos, config, workers, folder)
        wall = time.perf_counter() - began
        ran.append((wall, sum(seconds) / wall / workers))

    with tempfile.TemporaryDirectory() as name:
        folder, crops = Path(name), {}
        videos = under_names(clips, NAMES_OF_A_CLIP, folder) if few else clips
        limit_time = timed(lambda: limit(videos, workers), repeats=3)
        our_time = timed(run_ours, repeats=3)
        row = {
            "videos": len(videos),
            "limit, s": limit_time.wall,
            "ours, s": our_time.wall,
            "ours / limit": our_time.wall / limit_time.wall,
            "ours, crops/s": crops["ours"] / our_time.wall,
            "detection": min(ran)[1],
        }
        variants = {"all PNGs": True} | ({"wanted PNGs": False} if few else {})
        for variant, dump_all in variants.items():
            usual_time = timed(
                lambda dump_all=dump_all: crops.update(
                    usual=usual(clips, config, workers, folder, dump_all)
                )
            )
            rate = crops["usual"] / usual_time.wall
            row[f"usual ({variant}), crops/s"] = rate
            row[f"ours / usual ({variant})"] = row["ours, crops/s"] / rate
    return row


def measure_cpu(
    clips: list[Path], config: FacesConfig, workers: int
) -> dict[str, float]:
    """CPU seconds for `config.frames` crops of one kind of clips, and ratios."""
    with tempfile.TemporaryDirectory() as name, detection_seconds() as seconds:
        folder = Path(name)
        videos = under_names(clips, NAMES_OF_A_CLIP, folder)
        limit_time = timed(lambda: limit(videos, 1)).cpu / len(videos)
        ours_time = _cpu_of_ours(videos, config, workers)
        detection = sum(seconds[2:]) / len(seconds[2:]) if seconds[2:] else np.nan
        crops = 0

        def run_usual() -> None:
            nonlocal crops
            crops = usual(clips, config, 1, folder, dump_all=False)

        usual_time = timed(run_usual).cpu * config.frames / crops
    return {
        "limit, CPU s": limit_time,
        "ours, CPU s": ours_time,
        "detection, CPU s": detection,
        "usual (wanted PNGs), CPU s": usual_time,
        "ours / limit": ours_time / limit_time,
        "usual / ours": usual_time / ours_time,
    }


def _cpu_of_ours(videos: list[Path], config: FacesConfig, workers: int) -> float:
    """CPU seconds of all processes for `config.frames` crops.

    The first two videos are not counted: with them, processes start.
    """
    tasks = [Task(v.parent, v.name, "", {v.name: file_sha256(v)}) for v in videos]
    own, started, crops = psutil.Process(), {}, 0
    for number, faces in enumerate(extract_all(tasks, config, workers)):
        processes = [own, *own.children(recursive=True)]
        used = {p.pid: sum(p.cpu_times()[:2]) for p in processes}
        if number == 1:
            started, crops = used, 0
        elif faces.crops is not None:
            crops += len(faces.crops)
    spent = sum(seconds - started.get(pid, 0) for pid, seconds in used.items())
    return spent * config.frames / crops


def under_names(clips: list[Path], names: int, folder: Path) -> list[Path]:
    """Link each clip under several names in `folder`; return the links."""
    videos = []
    for number in range(names):
        for clip in clips:
            videos.append(folder / f"{number}_{clip.name}")
            videos[-1].symlink_to(clip.resolve())
    return videos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_clip_arguments(parser, count=4)
    parser.add_argument("--workers", type=int, default=2)
    detectors = ("centerface", "haar")
    parser.add_argument("--detector", choices=detectors, default=detectors[0])
    threshold_help = "smallest score of a face, for CenterFace"
    parser.add_argument("--threshold", type=float, default=0.5, help=threshold_help)
    parser.add_argument("--cpu", action="store_true", help="CPU time, of 32 frames")
    args = parser.parse_args()
    for frames in (32,) if args.cpu else (32, 10_000):
        table = {}
        for size, layout in CLIP_KINDS:
            clips = make_clips(args, size, layout)
            kind = f"{size[0]}x{size[1]} {layout}"
            config = FacesConfig(
                frames=frames,
                size=CROP_SIZE,
                margin=CROP_MARGIN,
                detector=args.detector,
                detection_threshold=args.threshold,
            )
            run = measure_cpu if args.cpu else measure
            table[kind] = run(clips, config, args.workers)
        print(f"\n{'32' if frames == 32 else 'all'} frames of each clip")
        print(pd.DataFrame(table).round(2).to_string(), flush=True)


if __name__ == "__main__":
    main()
