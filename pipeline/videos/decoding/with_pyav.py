"""Read chosen frames with PyAV; decode no more than they need.

Frames that no other frame refers to (most B frames) are decoded only if they are asked
for. The frames from the last one asked for up to the next key frame are not decoded.
The decoded frames have the same bits as if all were decoded.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter

from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import FrameIndex, open_container
from pipeline.videos.decoding.rgb import to_rgb
from pipeline.videos.status import VideoStatus


class PyavVideo:
    """See pipeline.videos.decoding.video.Video."""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.path, self.index = path, index
        self.width, self.height = index.width, index.height

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Video. Frames that damage may affect are left out."""
        available = np.zeros(len(numbers), bool)
        pixels = np.empty((len(numbers), self.height, self.width, 3), np.uint8)
        reformatter = VideoReformatter()
        damaged = np.zeros(len(self.index.pts), bool)  # packets
        packets = self.index.order[numbers]
        row_of = {int(packet): row for row, packet in enumerate(packets)}
        for packet, frame in self._decode(packets):
            if frame is None or frame.is_corrupt:
                damaged[packet] = True
            if frame is not None and packet in row_of:
                self._convert(frame, reformatter, pixels[row_of[packet]])
                available[row_of[packet]] = True
        available &= self.index.undamaged(damaged)[packets]
        return (pixels if available.all() else pixels[available]), available

    def _decode(self, wanted: np.ndarray) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Packet numbers and their frames: all `wanted` ones, and maybe others.

        The frame is None if a packet cannot be decoded.
        """
        with open_container(self.path) as (container, stream):
            if self.index.has_times:
                yield from self._by_time(container, stream.codec_context, wanted)
            else:
                count = wanted.max(initial=-1) + 1
                frames = container.decode(stream)
                yield from zip(range(count), frames, strict=False)

    def _by_time(
        self, container: InputContainer, codec: VideoCodecContext, wanted: np.ndarray
    ) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """As `_decode`, for a video whose packets are known by their times."""
        number_of = {int(pts): number for number, pts in enumerate(self.index.pts)}
        needed, in_full = needed_packets(self.index, wanted)
        last = np.flatnonzero(needed).max(initial=-1)
        stream = container.streams.video[0]
        packets = (p for p in container.demux(stream) if p.size)
        for number, packet in enumerate(packets):
            if number > last:
                break
            if not needed[number]:
                continue
            if number and not needed[number - 1]:  # packets before it were skipped
                yield from _numbered(codec, None, number=number, number_of=number_of)
                codec.flush_buffers()
            codec.skip_frame = "DEFAULT" if in_full[number] else "NONREF"
            yield from _numbered(codec, packet, number=number, number_of=number_of)
        yield from _numbered(codec, None, number=int(last), number_of=number_of)

    def _convert(
        self, frame: av.VideoFrame, reformatter: VideoReformatter, out: np.ndarray
    ) -> None:
        """Write a frame, as RGB and rotated, to `out` (height, width, 3) uint8."""
        turned = np.rot90(to_rgb(frame, reformatter), frame.rotation // 90)
        if turned.shape != out.shape:
            raise VideoError(
                VideoStatus.UNREADABLE,
                f"its frames change their size from {self.width} x {self.height} to "
                f"{turned.shape[1]} x {turned.shape[0]} px",
            )
        out[:] = turned


def needed_packets(
    index: FrameIndex, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which packets must be decoded to get those `wanted` (N,) int64.

    Returns two (P,) bool arrays. `needed`: for each wanted packet, all packets from its
    entry point up to itself. `in_full`: the wanted packets; of the others, frames that
    no other frame refers to can be skipped.
    """
    in_full = np.zeros(len(index.pts), bool)
    in_full[wanted] = True
    change = np.zeros(len(index.pts) + 1, int)
    for packet in wanted:
        before = np.searchsorted(index.entry_points, packet, side="right")
        change[index.entry_points[before - 1] if before else 0] += 1
        change[packet + 1] -= 1
    return np.cumsum(change)[:-1] > 0, in_full


def _numbered(
    codec: VideoCodecContext,
    packet: Packet | None,
    *,
    number: int,
    number_of: dict[int, int],
) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """The frames that the decoder outputs for a packet, with their packet numbers.

    Without a packet, these are all frames that the decoder still holds.
    """
    try:
        frames = codec.decode(packet)
    except av.FFmpegError:
        yield number, None
        return
    for frame in frames:
        if frame.pts in number_of:
            yield number_of[frame.pts], frame
