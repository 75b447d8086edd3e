"""The error that a video raises which cannot be read."""

from pipeline.videos.status import VideoStatus


class VideoError(Exception):
    """A video cannot be read; the message says why.

    Attributes:
        status: what becomes of the video in the tables.
    """

    def __init__(self, status: VideoStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
