"""Read chosen frames with decord."""

import contextlib
import os
import re
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
            # decord would return copies of the last frame without an error.
            raise VideoError(
                VideoStatus.UNREADABLE,
                f"decord counts {len(self.reader)} frames where the container shows "
                f"{index.total} (an edit list?); use decoder pyav",
            )
        self.height, self.width = _call(self.reader.get_batch, [0]).shape[1:3]

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Video. Only holes are recognized as damage: decord reports none."""
        available = self.index.undamaged()[self.index.order[numbers]]
        numbers = numbers[available]
        if not len(numbers):
            return np.empty((0, self.height, self.width, 3), np.uint8), available
        if 2 * len(numbers) < self.index.total:
            return _call(self.reader.get_batch, numbers).asnumpy(), available
        # For many frames, reading all in turn takes a third of get_batch's time.
        _call(self.reader.seek_accurate, int(numbers[0]))
        pixels = np.empty((len(numbers), self.height, self.width, 3), np.uint8)
        row_of = {int(number): row for row, number in enumerate(numbers)}
        for number in range(numbers[0], numbers[-1] + 1):
            frame = _call(self.reader.next)
            if number in row_of:
                pixels[row_of[number]] = frame.asnumpy()
        return pixels, available


def _call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call decord. Raises VideoError in place of its errors."""
    with _quiet_stderr():
        try:
            return function(*args, **options)
        except (decord.DECORDError, RuntimeError, IndexError, StopIteration) as error:
            reason = f"decord: {_main_line(error)}"
            raise VideoError(VideoStatus.UNREADABLE, reason) from None


def _main_line(error: Exception) -> str:
    """The line that names the error in decord's messages, which are stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if re.search("Check failed|ERROR", line)] or lines
    text = lines[0] if lines else type(error).__name__
    return text.rpartition("Error: ")[2].split("] ")[-1][:200]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep FFmpeg's messages out of the log: they do not name the file."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
