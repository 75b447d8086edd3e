"""Read chosen frames of a video in chunks that fit into memory."""

from collections.abc import Iterator

import numpy as np

from pipeline.videos.decoding.video import Video

MAX_CHUNK_BYTES = 2**29  # of decoded frames, unless a single group of frames has more


class Frames:
    """Chosen frames of a video, in chunks that fit into memory.

    A single chunk is decoded once and kept. Several chunks are decoded again for each
    iteration. `asked` is the number of frames asked for. `numbers` are the frames asked
    for; after an iteration they are the frames that could be decoded.
    """

    def __init__(self, video: Video, numbers: np.ndarray, group: int = 1) -> None:
        """`numbers` (N,) are increasing frame numbers. Each chunk but the last holds a
        multiple of `group` frames."""
        self.video, self.asked, self.numbers = video, len(numbers), numbers
        fit = MAX_CHUNK_BYTES // (3 * video.width * video.height)
        step = max(1, fit // group) * group
        self.chunks = [numbers[k : k + step] for k in range(0, len(numbers), step)]
        self.kept: np.ndarray | None = None

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Chunks: frame numbers (N,), and pixels (N, H, W, 3) uint8 RGB."""
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
