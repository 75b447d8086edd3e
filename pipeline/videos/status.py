"""The status of a video after the extraction of its faces."""

from enum import StrEnum


class VideoStatus(StrEnum):
    """The outcome of the extraction of a video's faces, as in `faces/summary.csv`.

    Attributes:
        OK: it has all crops that were asked for.
        SHORT: it has fewer frames than were asked for.
        PARTIAL: the face was found in some of the examined frames only.
        DAMAGED: some frames are damaged and were left out.
        NO_FACE: no face was found often enough.
        UNCLEAR: it shows several people, and its mask, which shows the forged one,
            cannot be read.
        MISSING: there is no such file.
        EMPTY: the file has no bytes.
        UNREADABLE: the file cannot be decoded.
        CRASHED: decoding ended the worker process.
        TIMEOUT: it took longer than `faces.time_limit`.
    """

    OK = "ok"
    SHORT = "short"
    PARTIAL = "partial"
    DAMAGED = "damaged"
    NO_FACE = "no_face"
    UNCLEAR = "unclear"
    MISSING = "missing"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


# Statuses of videos that have crops.
USABLE_STATUSES = (
    VideoStatus.OK,
    VideoStatus.SHORT,
    VideoStatus.PARTIAL,
    VideoStatus.DAMAGED,
)
# Statuses that may be different after another attempt.
RETRYABLE_STATUSES = (VideoStatus.MISSING, VideoStatus.CRASHED, VideoStatus.TIMEOUT)
