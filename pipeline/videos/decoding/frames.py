"""Read chosen frames of a video in chunks that fit into memory."""

from collections.abc import Iterator

import numpy as np

from pipeline.videos.decoding.video import Video

MAX_CHUNK_BYTES = 2**29  # of decoded frames; a single group of frames may have more


class Frames:
    """Chosen frames of a video, in chunks that fit into memory.

    A single chunk is decoded once and kept in memory. Several chunks are decoded again
    in each iteration.

    Attributes:
        asked: number of frames asked for.
        numbers: (N,) int64, numbers of the frames asked for; after an iteration, of the
            frames that could be decoded.
    """

    def __init__(self, video: Video, numbers: np.ndarray, group: int = 1) -> None:
        """Choose frames.

        `numbers` (N,) are increasing frame numbers. Each chunk but the last has a
        multiple of `group` frames.
        """
        self.video, self.asked, self.numbers = video, len(numbers), numbers
        frames_that_fit = MAX_CHUNK_BYTES // (3 * video.width * video.height)
        step = max(1, frames_that_fit // group) * group
        self.chunks = [numbers[k : k + step] for k in range(0, len(numbers), step)]
        self.kept: np.ndarray | None = None

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield chunks: frame numbers (N,), and pixels (N, H, W, 3) uint8 RGB.

        Raises VideoError if the video cannot be decoded.
        """
        if self.kept is not None:
            yield self.numbers, self.kept
            return
        decoded = []
        for chunk in self.chunks:
            pixels, available = self.video.read(chunk)
            decoded.append(chunk[available])
            if len(self.chunks) == 1:
                self.kept = pixels
            yield decoded[-1], pixels
        self.numbers = np.concatenate([*decoded, self.numbers[:0]])
