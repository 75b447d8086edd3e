"""The frames of a video as its container lists them, without decoding any."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.status import VideoStatus

# Containers of one video each. What FFmpeg knows besides, such as playlists, can name
# other files and addresses, and must not be followed from a file of unknown origin.
OPTIONS = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,ivf",
    "protocol_whitelist": "file",
}

# H.264 and HEVC escape zeros. A run of them is a hole in the file, from a copy or a
# download that was not finished, and decodes to smears without any error.
HOLE = bytes(64)


@dataclass(frozen=True)
class FrameIndex:
    """Packets of a video in decoding order, P of them, and the frame size.

    Where `timed` is false the container gives no usable times: the packets are then
    the frames in the order in which they are decoded.
    """

    pts: np.ndarray  # (P,) int64, in units of time_base
    keyframe: np.ndarray  # (P,) bool
    shown: np.ndarray  # (P,) bool; an edit list may hide packets
    holed: np.ndarray  # (P,) bool: seen to be damaged without decoding
    time_base: float  # s
    width: int  # as shown, after rotation
    height: int
    timed: bool = True
    streamed: bool = False  # a transport or program stream, which lists no frames

    @cached_property
    def order(self) -> np.ndarray:
        """(T,) int64: packet of each frame shown, in the order of showing."""
        shown = np.flatnonzero(self.shown)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    @cached_property
    def entries(self) -> np.ndarray:
        """(K,) int64: key frames from which all that follows can be decoded.

        In an open group of pictures, frames that are shown before the key frame follow
        it and refer to what was before it: no place to begin.
        """
        keys = np.flatnonzero(self.keyframe)
        if not len(keys):
            return keys
        first_shown = np.minimum.reduceat(self.pts, keys)  # of each group
        return keys[first_shown >= self.pts[keys]]

    def trusted(self, damaged: np.ndarray | bool = False) -> np.ndarray:
        """(P,) bool: packets that no `damaged` (P,) bool one and no hole has touched.

        Damage lasts from a packet up to the next key frame.
        """
        group = np.cumsum(self.keyframe)
        touched = np.zeros(len(self.pts), bool)
        for packet in np.flatnonzero(self.holed | damaged):
            touched[packet:] |= group[packet:] == group[packet]
        return ~touched

    @property
    def plain(self) -> bool:
        """Whether libraries that seek by themselves find the right frames.

        decord and torchcodec were seen to return wrong ones, without a word, from open
        groups of pictures, from streams, and where times are missing.
        """
        closed = len(self.entries) == self.keyframe.sum()
        return closed and self.timed and not self.streamed

    @property
    def total(self) -> int:
        """Frames that are shown."""
        return len(self.order)

    @cached_property
    def timestamps(self) -> np.ndarray:
        """(T,) float64: seconds from the first frame shown."""
        pts = self.pts[self.order]
        return (pts - pts[:1]) * self.time_base


def read_index(path: Path) -> FrameIndex:
    """List the frames of a video. Raises VideoError where it is none, or cut short."""
    rows: list[tuple[int | None, bool, bool, bool]] = []
    picture, damaged = None, 0
    with open_container(path) as (container, stream):
        escaped = stream.codec_context.name in ("h264", "hevc")
        for packet in container.demux(stream):
            if packet.size:
                hole = escaped and HOLE in bytes(packet)
                shown = not packet.is_discard
                rows.append((packet.pts, packet.is_keyframe, shown, hole))
                damaged += packet.is_corrupt
            if picture is None:  # its size and rotation may differ from the header's
                picture = next(_decoded(packet), None)
        if not rows:
            raise VideoError(VideoStatus.UNREADABLE, "the file has no video frames")
        listed = _listed(container, stream)
        streamed = container.format.name in ("mpegts", "mpeg")
        base, rate = float(stream.time_base or 0), float(stream.average_rate or 25)
    if damaged or len(rows) < listed:
        whole = f"{len(rows) - damaged} of {max(listed, len(rows))} frames are whole"
        raise VideoError(VideoStatus.UNREADABLE, f"cut short: {whole}; fetch it again")
    if picture is None:
        raise VideoError(VideoStatus.UNREADABLE, "no frame can be decoded")
    size = picture.width, picture.height
    width, height = size[::-1] if picture.rotation % 180 else size
    pts, keyframe, shown, holed = (list(part) for part in zip(*rows, strict=True))
    if base == 0 or None in pts or len(set(pts)) < len(pts):
        return _untimed(path, 1 / rate, width, height)
    return FrameIndex(
        np.array(pts),
        np.array(keyframe),
        np.array(shown),
        np.array(holed),
        base,
        width,
        height,
        streamed=streamed,
    )


@contextmanager
def open_container(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and its first video stream, which decodes in one thread.

    Workers run side by side, and results do not hang on the number of threads.
    """
    try:
        with av.open(
            str(path), options=OPTIONS, metadata_errors="replace"
        ) as container:
            streams = [
                stream
                for stream in container.streams.video
                if not stream.disposition & Disposition.attached_pic
            ]
            if not streams:
                raise VideoError(VideoStatus.UNREADABLE, "the file has no video stream")
            if streams[0].codec_context is None:
                raise VideoError(
                    VideoStatus.UNREADABLE, "no decoder is known for its codec"
                )
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except av.FFmpegError as error:
        reason = f"not a video: {error.strerror}"
        raise VideoError(VideoStatus.UNREADABLE, reason) from None


def _listed(container: InputContainer, stream: VideoStream) -> int:
    """Frames that the header lists; 0 for containers without such a list."""
    return len(stream.index_entries) if "mov" in container.format.name else 0


def _untimed(path: Path, time_base: float, width: int, height: int) -> FrameIndex:
    """Count the frames by decoding all, for containers without usable times."""
    with open_container(path) as (container, stream):
        packets = container.demux(stream)
        count = sum(1 for packet in packets for _ in _decoded(packet))
    numbers = np.arange(count)
    return FrameIndex(
        numbers,
        numbers == 0,
        numbers >= 0,
        numbers < 0,
        time_base,
        width,
        height,
        timed=False,
    )


def _decoded(packet: Packet) -> Iterator[av.VideoFrame]:
    """The frames that a packet sets free; a damaged one gives none."""
    with suppress(av.FFmpegError):
        yield from packet.decode()
