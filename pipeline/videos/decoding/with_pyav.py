"""Read chosen frames with PyAV, decoding as little as they need.

Frames that no other frame refers to (most B frames) are not decoded unless they are
asked for, and a stretch between a frame and the next key frame is not decoded at all
where nothing in it is asked for. What is decoded comes out the same to the bit.
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
        """See Video. Frames that damage may have touched are left out."""
        there = np.zeros(len(numbers), bool)
        pixels = np.empty((len(numbers), self.height, self.width, 3), np.uint8)
        reformatter = VideoReformatter()
        damaged = np.zeros(len(self.index.pts), bool)  # packets
        packets = self.index.order[numbers]
        place = {int(packet): k for k, packet in enumerate(packets)}
        for packet, frame in self._decode(packets):
            if frame is None or frame.is_corrupt:
                damaged[packet] = True
            if frame is not None and packet in place:
                self._convert(frame, reformatter, pixels[place[packet]])
                there[place[packet]] = True
        there &= self.index.trusted(damaged)[packets]
        return (pixels if there.all() else pixels[there]), there

    def _decode(self, wanted: np.ndarray) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Packet numbers and their frames, among them all `wanted` that can be had.

        The frame is None where a packet cannot be decoded.
        """
        with open_container(self.path) as (container, stream):
            if self.index.timed:
                yield from self._by_time(container, stream.codec_context, wanted)
            else:
                count = wanted.max(initial=-1) + 1
                frames = container.decode(stream)
                yield from zip(range(count), frames, strict=False)

    def _by_time(
        self, container: InputContainer, codec: VideoCodecContext, wanted: np.ndarray
    ) -> Iterator[tuple[int, av.VideoFrame | None]]:
        number_of = {int(pts): number for number, pts in enumerate(self.index.pts)}
        needed, whole = needed_packets(self.index, wanted)
        last = np.flatnonzero(needed).max(initial=-1)
        stream = container.streams.video[0]
        packets = (p for p in container.demux(stream) if p.size)
        for number, packet in enumerate(packets):
            if number > last:
                break
            if not needed[number]:
                continue
            if number and not needed[number - 1]:  # a stretch was left out before
                yield from _numbered(codec, None, number, number_of)
                codec.flush_buffers()
            codec.skip_frame = "DEFAULT" if whole[number] else "NONREF"
            yield from _numbered(codec, packet, number, number_of)
        yield from _numbered(codec, None, int(last), number_of)

    def _convert(
        self, frame: av.VideoFrame, reformatter: VideoReformatter, out: np.ndarray
    ) -> None:
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
    """Which packets must be decoded for those `wanted`, and which of them wholly.

    Returns two (P,) bool arrays: `needed`, from the last key frame that a wanted packet
    can be decoded from up to itself; and `whole`, the wanted ones.
    """
    whole = np.zeros(len(index.pts), bool)
    whole[wanted] = True
    change = np.zeros(len(index.pts) + 1, int)
    for packet in wanted:
        before = np.searchsorted(index.entries, packet, side="right")
        change[index.entries[before - 1] if before else 0] += 1
        change[packet + 1] -= 1
    return np.cumsum(change)[:-1] > 0, whole


def _numbered(
    codec: VideoCodecContext,
    packet: Packet | None,
    number: int,
    number_of: dict[int, int],
) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """The frames that a packet sets free, or all that are left, with their numbers."""
    try:
        frames = codec.decode(packet)
    except av.FFmpegError:
        yield number, None
        return
    for frame in frames:
        if frame.pts in number_of:
            yield number_of[frame.pts], frame
