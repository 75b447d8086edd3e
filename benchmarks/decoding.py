"""CPU time to decode frames of a clip: ours, other libraries, and a full decode.

    python -m benchmarks.decoding [--clips FOLDER] [--count N]

First 32 frames of each clip are decoded, then all frames. CPU time is a fraction of the
time in which the ffmpeg command decodes the same clips in one thread and discards the
frames. All others also convert the frames to RGB; ffmpeg does not.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import decord
import pandas as pd

from benchmarks.clips import CLIP_KINDS, add_clip_arguments, ffmpeg, make_clips
from benchmarks.timing import timed
from pipeline.runtime.errors import StepError
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.video import open_video


def full_decode(clip: Path) -> None:
    """The limit: ffmpeg decodes all frames and discards them."""
    ffmpeg("-threads", 1, "-i", clip, "-f", "null", "-")


def ours(clip: Path, wanted: int, decoder: str) -> None:
    video = open_video(clip, decoder)
    video.read(evenly_spaced(video.index.total, wanted))


def pyav_in_order(clip: Path, wanted: int) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        numbers = set(evenly_spaced(stream.frames, wanted).tolist())
        for number, frame in enumerate(container.decode(stream)):
            if number in numbers:
                frame.to_ndarray(format="rgb24")


def decord_batch(clip: Path, wanted: int) -> None:
    reader = decord.VideoReader(str(clip), num_threads=1)
    reader.get_batch(evenly_spaced(len(reader), wanted)).asnumpy()


def opencv_in_order(clip: Path, wanted: int) -> None:
    reader = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    numbers = set(evenly_spaced(total, wanted).tolist())
    for number in range(total):
        reader.grab()
        if number in numbers:
            cv2.cvtColor(reader.retrieve()[1], cv2.COLOR_BGR2RGB)


def opencv_seeking(clip: Path, wanted: int) -> None:
    reader = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    for number in evenly_spaced(total, wanted):
        reader.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        reader.read()


def decoders(wanted: int) -> dict[str, Callable[[Path], None]]:
    """Functions that decode `wanted` evenly spaced frames of a clip, by name."""
    functions: dict[str, Callable[[Path], None]] = {
        "ours (pyav)": lambda clip: ours(clip, wanted, "pyav"),
        "ours (decord)": lambda clip: ours(clip, wanted, "decord"),
        "ours (torchcodec)": lambda clip: ours(clip, wanted, "torchcodec"),
        "PyAV, in order": lambda clip: pyav_in_order(clip, wanted),
        "decord get_batch": lambda clip: decord_batch(clip, wanted),
        "OpenCV, grab all": lambda clip: opencv_in_order(clip, wanted),
    }
    if wanted <= 32:
        functions["OpenCV, seeking"] = lambda clip: opencv_seeking(clip, wanted)
    return functions


def measure(clips: list[Path], wanted: int, repeats: int) -> dict[str, float]:
    """CPU time of each decoder, as a fraction of the CPU time of a full decode."""
    limit = timed(lambda: [full_decode(clip) for clip in clips], repeats).cpu
    fractions = {"full decode, s a clip": limit / len(clips)}
    for name, decode in decoders(wanted).items():
        try:
            decode(clips[0])  # so that imports are not timed
        except StepError:
            continue  # torchcodec does not find the libraries of FFmpeg
        runs = 1 if "seeking" in name else repeats
        spent = timed(lambda decode=decode: [decode(clip) for clip in clips], runs)
        fractions[name] = spent.cpu / limit
    return fractions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_clip_arguments(parser, count=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for wanted in (32, 10_000):
        table = {}
        for size, layout in CLIP_KINDS:
            clips = make_clips(args, size, layout)
            kind = f"{size[0]}x{size[1]} {layout}"
            table[kind] = measure(clips, wanted, args.repeats)
        print(f"\n{'32' if wanted == 32 else 'all'} frames of each clip")
        print(pd.DataFrame(table).round(2).to_string())


if __name__ == "__main__":
    main()
