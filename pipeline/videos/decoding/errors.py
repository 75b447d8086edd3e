"""What can be wrong with a video."""


class VideoError(Exception):
    """A video that gives no frames; `status` is a word, the message a reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
