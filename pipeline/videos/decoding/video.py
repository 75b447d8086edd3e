"""Open a video for reading chosen frames by their numbers.

One of three libraries decodes. The numbers and times of frames are from one index
(`frame_index`), so that frame 17 is the same picture with each library.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.runtime.errors import StepError
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex, read_index
from pipeline.videos.status import VideoStatus

MAX_PIXELS = 2**26  # of a frame, 8192 x 8192; a header with more is damaged or hostile


class Video(Protocol):
    """An open video.

    Attributes:
        index: its frames as the container lists them.
        width: in px, as shown (after rotation).
        height: in px, as shown.
    """

    index: FrameIndex
    width: int
    height: int

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode the frames `numbers` (N,), which must be increasing.

        Returns the pixels (M, height, width, 3) uint8 RGB of the M frames that can be
        decoded, and which of `numbers` these are, (N,) bool. Raises VideoError if the
        video cannot be read.
        """
        ...


def open_video(path: Path, decoder: str = "auto") -> Video:
    """Open a video with `decoder`: auto, pyav, decord or torchcodec.

    `auto` is PyAV. It took the least time of the three, for few and for all frames
    (benchmarks/decoding.py), and only PyAV reports damaged frames. PyAV also replaces
    the other two for videos in which they find wrong frames. Raises VideoError for a
    file that is missing, empty, not a video, or cut short, and StepError if torchcodec
    cannot be loaded.
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
    video_class = _video_class(decoder if index.is_seekable else "pyav")
    return video_class(path, index)


def _video_class(decoder: str) -> Callable[[Path, FrameIndex], Video]:
    """The class for `decoder`; imports only its library, since imports take time."""
    if decoder == "decord":
        from pipeline.videos.decoding.with_decord import DecordVideo

        return DecordVideo
    if decoder == "torchcodec":
        try:
            from pipeline.videos.decoding.with_torchcodec import TorchcodecVideo
        except (ImportError, OSError, RuntimeError) as error:
            raise StepError(
                "torchcodec cannot be loaded: it needs FFmpeg's shared libraries, from "
                f"your system or conda; or set faces.decoder to auto ({error})"
            ) from error
        return TorchcodecVideo
    from pipeline.videos.decoding.with_pyav import PyavVideo

    return PyavVideo
