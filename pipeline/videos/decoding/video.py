"""Open a video for reading chosen frames by their numbers.

Three libraries do the decoding. The frames' numbers and times come from one index
(`frame_index`), so that frame 17 is the same picture in each.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.runtime.errors import StepError
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex, read_index
from pipeline.videos.status import VideoStatus

MAX_PIXELS = 2**26  # of a frame: 8192 x 8192; more is a damaged or a hostile header


class Video(Protocol):
    """An open video: its size as shown, after any rotation, and its frames."""

    index: FrameIndex
    width: int
    height: int

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode those of the frames `numbers` (N,), increasing, that can be had.

        Returns their pixels (M, height, width, 3) uint8 RGB and which of `numbers`
        they are, (N,) bool with M true. Raises VideoError.
        """
        ...


def open_video(path: Path, decoder: str = "auto") -> Video:
    """Open a video with `decoder`, which is auto, pyav, decord or torchcodec.

    `auto` is PyAV: it took the least time of the three, for few and for all frames
    (benchmarks/decoding.py), and is the only one that tells of damaged frames.
    It also stands in for the others where they are known to find wrong frames. Raises
    VideoError for a file that is missing, empty, no video, or cut short.
    """
    if not path.is_file():
        raise VideoError(VideoStatus.MISSING, "there is no such file")
    if path.stat().st_size == 0:
        raise VideoError(VideoStatus.EMPTY, "the file has no bytes")
    index = read_index(path)
    if index.width * index.height > MAX_PIXELS:
        size = f"{index.width} x {index.height}"
        raise VideoError(
            VideoStatus.UNREADABLE, f"claims frames of {size} px; is it damaged?"
        )
    return _reader(decoder if index.plain else "pyav")(path, index)


def _reader(decoder: str) -> type[Video]:
    """The class that reads with `decoder`; the libraries take time to import."""
    if decoder == "decord":
        from pipeline.videos.decoding.with_decord import DecordVideo

        return DecordVideo
    if decoder == "torchcodec":
        try:
            from pipeline.videos.decoding.with_torchcodec import TorchcodecVideo
        except (ImportError, OSError, RuntimeError) as error:
            raise StepError(
                "torchcodec cannot be loaded: it wants FFmpeg's shared libraries, from "
                f"your system or conda; or set faces.decoder to auto ({error})"
            ) from error
        return TorchcodecVideo
    from pipeline.videos.decoding.with_pyav import PyavVideo

    return PyavVideo
