"""Clips for the measurements, encoded as FaceForensics++ was.

The clips show drawn persons with camera noise. They are compressed twice: first as on a
video site (4:2:0, a low rate), then by the ffmpeg command with libx264 and -crf 23. The
second is the "c23" of the data set, which is 4:4:4. The work of a decoder depends on
both: compression that removes noise leaves fewer bits and more B frames.
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

CLIP_KINDS = [  # (width, height), pixel format
    ((640, 480), "yuv444p"),
    ((640, 480), "yuv420p"),
    ((1280, 720), "yuv444p"),
    ((1280, 720), "yuv420p"),
]
FRAME_RANGE = (300, 500)  # fewest and most frames of a clip
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def add_clip_arguments(parser: argparse.ArgumentParser, count: int) -> None:
    """Add the arguments that `make_clips` reads."""
    parser.add_argument("--clips", type=Path, default=Path("build/clips"))
    parser.add_argument("--count", type=int, default=count, help="clips of each kind")
    parser.add_argument(
        "--length", type=int, nargs=2, default=FRAME_RANGE, help="frames"
    )


def make_clips(
    args: argparse.Namespace, size: tuple[int, int], layout: str
) -> list[Path]:
    """Render the clips of one kind, except those that exist; return their paths."""
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
    """Yield the frames of a drawn person, (height, width, 3) uint8, with noise.

    `size` is (width, height). `frames` is the fewest and the most frames.
    """
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
    """Run the ffmpeg command; it prints errors only."""
    command = [FFMPEG, "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
