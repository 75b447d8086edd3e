"""Read chosen frames with torchcodec, on the decoder of an NVIDIA GPU if possible."""

from pathlib import Path

import numpy as np
import torch
import torchcodec
from torchcodec.decoders import VideoDecoder

from pipeline.runtime.allocation import may_use_gpu
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex
from pipeline.videos.status import VideoStatus

if torchcodec.ffmpeg_major_version is None:  # otherwise the first video would fail
    raise ImportError("no version of FFmpeg that it knows is found")


class TorchcodecVideo:
    """See pipeline.videos.decoding.video.Video."""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.index, self.width, self.height = index, index.width, index.height
        usable = may_use_gpu() and torch.cuda.is_available()
        device = "cuda" if usable else "cpu"
        try:
            self.decoder = VideoDecoder(
                path, dimension_order="NHWC", num_ffmpeg_threads=1, device=device
            )
        except (RuntimeError, ValueError) as error:
            raise VideoError(
                VideoStatus.UNREADABLE, f"torchcodec: {_first_line(error)}"
            ) from None
        if len(self.decoder) != index.total:
            raise VideoError(
                VideoStatus.UNREADABLE,
                f"torchcodec counts {len(self.decoder)} frames where the container "
                f"shows {index.total}; use decoder pyav",
            )

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Video. Only holes are recognized as damage: torchcodec reports none."""
        available = self.index.undamaged()[self.index.order[numbers]]
        if not available.any():
            return np.empty((0, self.height, self.width, 3), np.uint8), available
        try:
            batch = self.decoder.get_frames_at(numbers[available].tolist())
        except (RuntimeError, IndexError) as error:
            raise VideoError(
                VideoStatus.UNREADABLE, f"torchcodec: {_first_line(error)}"
            ) from None
        return batch.data.cpu().numpy(), available


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
