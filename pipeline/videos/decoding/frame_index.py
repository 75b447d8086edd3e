"""The frames of a video as its container lists them, without decoding them."""

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

# Containers that hold one video each. FFmpeg's other formats, such as playlists, can
# refer to other files and addresses, which a file of unknown origin must not open.
CONTAINER_OPTIONS = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,ivf",
    "protocol_whitelist": "file",
}

# H.264 and HEVC escape zeros. A run of zero bytes is therefore a hole in the file, left
# by an unfinished copy or download. It decodes to smeared frames without any error.
HOLE_BYTES = bytes(64)


@dataclass(frozen=True)
class FrameIndex:
    """The P packets of a video in decoding order, and the size of its frames.

    Attributes:
        pts: (P,) int64, presentation times in units of `time_base`.
        is_keyframe: (P,) bool.
        is_shown: (P,) bool; an edit list may hide packets.
        has_hole: (P,) bool, packets that are damaged, as seen without decoding.
        time_base: unit of `pts` in s.
        width: in px, as shown (after rotation).
        height: in px, as shown.
        has_times: whether the container gives usable times. Otherwise the packets stand
            for the frames in the order of decoding.
        is_stream: whether it is a transport or program stream, which lists no frames.
    """

    pts: np.ndarray
    is_keyframe: np.ndarray
    is_shown: np.ndarray
    has_hole: np.ndarray
    time_base: float
    width: int
    height: int
    has_times: bool = True
    is_stream: bool = False

    @cached_property
    def order(self) -> np.ndarray:
        """(T,) int64: the packet of each shown frame, in presentation order."""
        shown = np.flatnonzero(self.is_shown)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    @cached_property
    def entry_points(self) -> np.ndarray:
        """(K,) int64: packets of key frames at which decoding can start.

        The key frame of an open group of pictures is not among them: it is followed by
        frames that are shown before it and refer to earlier frames.
        """
        keys = np.flatnonzero(self.is_keyframe)
        if not len(keys):
            return keys
        first_shown = np.minimum.reduceat(self.pts, keys)  # of each group
        return keys[first_shown >= self.pts[keys]]

    def undamaged(self, damaged: np.ndarray | bool = False) -> np.ndarray:
        """(P,) bool: packets that neither a `damaged` (P,) packet nor a hole affects.

        Damage affects all packets from the damaged one up to the next key frame.
        """
        group = np.cumsum(self.is_keyframe)
        affected = np.zeros(len(self.pts), bool)
        for packet in np.flatnonzero(self.has_hole | damaged):
            affected[packet:] |= group[packet:] == group[packet]
        return ~affected

    @property
    def is_seekable(self) -> bool:
        """Whether libraries that seek by themselves find the right frames.

        decord and torchcodec returned wrong frames without an error from open groups of
        pictures, from streams, and from videos without times.
        """
        closed = len(self.entry_points) == self.is_keyframe.sum()
        return bool(closed and self.has_times and not self.is_stream)

    @property
    def total(self) -> int:
        """T, the number of frames that are shown."""
        return len(self.order)

    @cached_property
    def timestamps(self) -> np.ndarray:
        """(T,) float64: time of each shown frame in s, from the first one."""
        pts = self.pts[self.order]
        return (pts - pts[:1]) * self.time_base


def read_index(path: Path) -> FrameIndex:
    """List the frames of a video.

    Raises VideoError for a file that is not a video, or that is cut short.
    """
    rows: list[tuple[int | None, bool, bool, bool]] = []
    picture, damaged = None, 0
    with open_container(path) as (container, stream):
        escapes_zeros = stream.codec_context.name in ("h264", "hevc")
        for packet in container.demux(stream):
            if packet.size:
                hole = escapes_zeros and HOLE_BYTES in bytes(packet)
                rows.append(
                    (packet.pts, packet.is_keyframe, not packet.is_discard, hole)
                )
                damaged += packet.is_corrupt
            if picture is None:  # the header may give another size or rotation
                picture = next(_decoded(packet), None)
        if not rows:
            raise VideoError(VideoStatus.UNREADABLE, "the file has no video frames")
        listed = _listed_frames(container, stream)
        is_stream = container.format.name in ("mpegts", "mpeg")
        base, rate = float(stream.time_base or 0), float(stream.average_rate or 25)
    if damaged or len(rows) < listed:
        raise VideoError(
            VideoStatus.UNREADABLE,
            f"cut short: {len(rows) - damaged} of {max(listed, len(rows))} frames are "
            "whole; fetch it again",
        )
    if picture is None:
        raise VideoError(VideoStatus.UNREADABLE, "no frame can be decoded")
    size = picture.width, picture.height
    width, height = size[::-1] if picture.rotation % 180 else size
    pts, is_keyframe, is_shown, has_hole = zip(*rows, strict=True)
    if base == 0 or None in pts or len(set(pts)) < len(pts):
        return _untimed(path, 1 / rate, width=width, height=height)
    return FrameIndex(
        np.array(pts),
        np.array(is_keyframe),
        np.array(is_shown),
        np.array(has_hole),
        base,
        width,
        height,
        is_stream=is_stream,
    )


@contextmanager
def open_container(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file; give it and its first video stream.

    The stream decodes in one thread: workers run side by side, and results must not
    depend on the number of threads. Raises VideoError for a file that is not a video.
    """
    try:
        with av.open(
            str(path), options=CONTAINER_OPTIONS, metadata_errors="replace"
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


def _listed_frames(container: InputContainer, stream: VideoStream) -> int:
    """Number of frames that the header lists; 0 for containers without a list."""
    return len(stream.index_entries) if "mov" in container.format.name else 0


def _untimed(path: Path, time_base: float, *, width: int, height: int) -> FrameIndex:
    """The index of a video without usable times; counts the frames by decoding all."""
    with open_container(path) as (container, stream):
        packets = container.demux(stream)
        count = sum(1 for packet in packets for _ in _decoded(packet))
    numbers = np.arange(count)
    return FrameIndex(
        pts=numbers,
        is_keyframe=numbers == 0,
        is_shown=np.ones(count, bool),
        has_hole=np.zeros(count, bool),
        time_base=time_base,
        width=width,
        height=height,
        has_times=False,
    )


def _decoded(packet: Packet) -> Iterator[av.VideoFrame]:
    """The frames that the decoder outputs for a packet; none if it is damaged."""
    with suppress(av.FFmpegError):
        yield from packet.decode()
