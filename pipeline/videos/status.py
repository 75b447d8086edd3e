"""The statuses of a video after its faces were extracted."""

from enum import StrEnum


class VideoStatus(StrEnum):
    """What became of a video; the value stands in `faces/summary.csv`.

    Attributes:
        OK: all crops that were asked for.
        SHORT: has fewer frames than were asked for.
        PARTIAL: the face is not seen in all frames looked at.
        DAMAGED: some frames are damaged and were left out.
        NO_FACE: no face was found often enough.
        UNCLEAR: several people are seen, and the mask that names the forged one is
            missing.
        MISSING: there is no such file.
        EMPTY: the file has no bytes.
        UNREADABLE: the file cannot be decoded.
        CRASHED: decoding ended the worker process.
        TIMEOUT: took longer than `faces.time_limit`.
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
# Statuses that another attempt may change.
RETRYABLE_STATUSES = (VideoStatus.MISSING, VideoStatus.CRASHED, VideoStatus.TIMEOUT)
