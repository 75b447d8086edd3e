"""Decode evenly spaced frames of a video with decord."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.sampling import evenly_spaced


class VideoError(Exception):
    """A video that gives no frames; `status` is a word, the message a reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Frames:
    """Frames of one video, in order."""

    pixels: np.ndarray  # (N, H, W, 3) uint8 RGB
    numbers: np.ndarray  # (N,) int32, counted from 0
    timestamps: np.ndarray  # (N,) float64 seconds from the start
    total: int  # frames in the video


def decode(path: Path, wanted: int) -> Frames:
    """Decode `wanted` evenly spaced frames, or all where the video has fewer.

    Raises VideoError for a file that is missing, empty, no video, or cut short.
    """
    if not path.is_file():
        raise VideoError("missing", "there is no such file")
    if path.stat().st_size == 0:
        raise VideoError("empty", "the file has no bytes")
    reader = _open(path)
    total = len(reader)
    if total == 0:
        raise VideoError("unreadable", "the file has no video frames")
    numbers = evenly_spaced(total, wanted)
    spans = _decord_call(reader.get_frame_timestamp, numbers)
    pixels = _decord_call(reader.get_batch, numbers).asnumpy()
    return Frames(pixels, numbers, spans[:, 0].astype(np.float64), total)


def decode_numbers(path: Path, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decode those of the frames `numbers` that the video has.

    Returns the pixels (M, H, W, 3) uint8 and which of `numbers` they are, (N,) bool
    with M true. Raises VideoError like `decode`.
    """
    if not path.is_file():
        raise VideoError("missing", "there is no such file")
    reader = _open(path)
    there = numbers < len(reader)
    if not there.any():
        raise VideoError("unreadable", "the file ends before the frames asked for")
    return _decord_call(reader.get_batch, numbers[there]).asnumpy(), there


def _open(path: Path) -> Any:  # decord's VideoReader, imported late: it takes time
    import decord

    with _quiet_stderr():
        try:
            # One thread a job: jobs run side by side, and results don't hang on it.
            return decord.VideoReader(str(path), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise VideoError("unreadable", f"not a video: {_first(error)}") from None


def _decord_call(function: Callable, *args: object) -> Any:
    import decord

    with _quiet_stderr():
        try:
            return function(*args)
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            raise VideoError("unreadable", f"cut short: {_first(error)}") from None


def _first(error: Exception) -> str:
    """The telling line of one of decord's errors, which are C++ stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = next((t for t in lines if "Check failed" in t or "ERROR" in t), lines[0])
    return line.rpartition("Error: ")[2].split("] ")[-1][:200]


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
