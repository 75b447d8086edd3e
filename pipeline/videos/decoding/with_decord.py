"""Read chosen frames with decord."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import decord
import numpy as np

from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex
from pipeline.videos.status import VideoStatus


class DecordVideo:
    """See pipeline.videos.decoding.video.Video."""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.index = index
        self.reader = _call(decord.VideoReader, str(path), num_threads=1)
        if len(self.reader) != index.total:
            # It would fill up with copies of the last frame, and say nothing.
            raise VideoError(
                VideoStatus.UNREADABLE,
                f"decord counts {len(self.reader)} frames where the container shows "
                f"{index.total} (an edit list?); use decoder pyav",
            )
        self.height, self.width = _call(self.reader.get_batch, [0]).shape[1:3]

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Video. Of damage, only holes are seen: the decoder tells of none."""
        there = self.index.trusted()[self.index.order[numbers]]
        numbers = numbers[there]
        if not len(numbers):
            return np.empty((0, self.height, self.width, 3), np.uint8), there
        if 2 * len(numbers) < self.index.total:
            return _call(self.reader.get_batch, numbers).asnumpy(), there
        # Many frames: going through all takes a third of get_batch's time.
        _call(self.reader.seek_accurate, int(numbers[0]))
        pixels = np.empty((len(numbers), self.height, self.width, 3), np.uint8)
        place = {int(number): k for k, number in enumerate(numbers)}
        for number in range(numbers[0], numbers[-1] + 1):
            frame = _call(self.reader.next)
            if number in place:
                pixels[place[number]] = frame.asnumpy()
        return pixels, there


def _call(function: Callable, *args: Any, **options: Any) -> Any:
    with _quiet_stderr():
        try:
            return function(*args, **options)
        except (decord.DECORDError, RuntimeError, IndexError, StopIteration) as error:
            reason = f"decord: {_first(error)}"
            raise VideoError(VideoStatus.UNREADABLE, reason) from None


def _first(error: Exception) -> str:
    """The telling line of one of decord's errors, which are C++ stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [t for t in lines if "Check failed" in t or "ERROR" in t] or lines
    text = lines[0] if lines else type(error).__name__
    return text.rpartition("Error: ")[2].split("] ")[-1][:200]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep FFmpeg's own lines, which name no file, out of the log."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
