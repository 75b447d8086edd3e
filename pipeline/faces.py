"""From one video to its face crops."""

from pathlib import Path

import numpy as np

from pipeline.config.faces import FacesConfig
from pipeline.cropping import crop, crop_masks, square_boxes
from pipeline.decoding import Frames, VideoError, decode, decode_numbers
from pipeline.detection import Detector
from pipeline.face_shards import VideoFaces
from pipeline.tracking import Track, follow_subject


def extract_video(
    video: Path, mask: Path | None, detector: Detector, config: FacesConfig
) -> VideoFaces:
    """Decode, detect, follow and crop one video.

    Never raises for what is wrong with the video: it becomes a status and a reason.
    """
    try:
        frames = decode(video, config.frames)
    except VideoError as error:
        return VideoFaces(error.status, str(error))
    height, width = frames.pixels.shape[1:3]
    size = {"total_frames": frames.total, "width": width, "height": height}
    track = follow_subject(detector.detect(frames.pixels), frames.numbers)
    if track is None:
        reason = f"no face in any of the {len(frames.numbers)} frames looked at"
        return VideoFaces("no_face", reason, **size)
    status, reason = "ok", ""
    if len(frames.numbers) < config.frames:
        status = "short"
        reason = f"has {frames.total} frames, fewer than the {config.frames} asked for"
    boxes = square_boxes(
        track.boxes, detector.calibration, config.margin, (height, width)
    )
    masks, has_mask, fault = _masks(mask, frames, boxes, config.size)
    return VideoFaces(
        status,
        "; ".join(text for text in (reason, fault) if text),
        has_mask=has_mask,
        crops=crop(frames.pixels, boxes, config.size),
        masks=masks,
        frames=_columns(frames, track, boxes),
        **size,
    )


def _columns(frames: Frames, track: Track, boxes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "number": frames.numbers,
        "timestamp": frames.timestamps,
        "box": boxes,
        "face": track.boxes,
        "landmarks": track.landmarks,
        "score": track.scores,
        "interpolated": track.interpolated,
    }


def _masks(
    mask: Path | None, frames: Frames, boxes: np.ndarray, size: int
) -> tuple[np.ndarray, bool, str]:
    """The crops' masks (empty where there is none), whether all are known, a fault."""
    masks = np.zeros((len(boxes), size, size), np.uint8)
    if mask is None:
        return masks, False, ""
    try:
        pixels, there = decode_numbers(mask, frames.numbers)
    except VideoError as error:
        return masks, False, f"no mask: {error}"
    frame = frames.pixels.shape[1:3]
    masks[there] = crop_masks(pixels, boxes[there], frame, size)
    fault = "" if there.all() else "the mask video is shorter than the video"
    return masks, bool(there.all()), fault
