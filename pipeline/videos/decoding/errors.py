"""What can be wrong with a video."""

from pipeline.videos.status import VideoStatus


class VideoError(Exception):
    """A video that gives no frames; `status` is a word, the message a reason."""

    def __init__(self, status: VideoStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
