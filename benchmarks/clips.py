"""Clips to measure with, encoded the way FaceForensics++ was.

Drawn persons, filmed with noise, compressed as on a video site (4:2:0, a low rate),
then once more by the ffmpeg command with libx264 and -crf 23: the "c23" of the data
set, which is 4:4:4. What a decoder has to do hangs on this history: noise that was
compressed away leaves fewer bits and more B frames.
"""

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from pipeline.videos.miniature.corpus import write_video
from pipeline.videos.miniature.scene import make_scene, real_frames

KINDS = [
    ((640, 480), "yuv444p"),
    ((640, 480), "yuv420p"),
    ((1280, 720), "yuv444p"),
    ((1280, 720), "yuv420p"),
]
FRAMES = (300, 500)
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def add_clip_arguments(parser: argparse.ArgumentParser, count: int) -> None:
    """What the benchmarks' command lines say of their clips."""
    parser.add_argument("--clips", type=Path, default=Path("build/clips"))
    parser.add_argument("--count", type=int, default=count, help="clips of each kind")
    parser.add_argument("--length", type=int, nargs=2, default=FRAMES, help="frames")


def make_clips(
    args: argparse.Namespace, size: tuple[int, int], layout: str
) -> list[Path]:
    """The clips of a kind that the arguments say, rendered unless they are there."""
    folder, frames, clips = args.clips, tuple(args.length), []
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(args.count):
        clip = folder / f"{size[0]}x{size[1]}_{layout}_{person}.mp4"
        if not clip.exists():
            site = clip.with_suffix(".site.mp4")
            write_video(site, filmed(person, size, frames), 28)
            part = clip.with_suffix(".part.mp4")
            options = ["-c:v", "libx264", "-crf", "23", "-pix_fmt", layout]
            ffmpeg("-i", site, *options, part)
            part.rename(clip)
            site.unlink()
        clips.append(clip)
    return clips


def filmed(
    person: int, size: tuple[int, int], frames: tuple[int, int]
) -> Iterator[np.ndarray]:
    """A drawn person's frames, enlarged to `size` (width, height), with noise."""
    rng = np.random.default_rng(person)
    width, height = size
    enlarged = (width, width * 3 // 4)
    top = (enlarged[1] - height) // 2
    noise = np.rint(rng.normal(0, 3, (2 * height, 2 * width, 3))).astype(np.int16)
    for frame in real_frames(make_scene(11, person, frames)):
        large = cv2.resize(frame, enlarged, interpolation=cv2.INTER_CUBIC)
        row, column = rng.integers(0, (height, width))
        noisy = large[top : top + height].astype(np.int16)
        noisy += noise[row : row + height, column : column + width]
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def ffmpeg(*arguments: object) -> None:
    """Run the ffmpeg command, quietly."""
    command = [FFMPEG, "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
