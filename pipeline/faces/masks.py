"""Read mask videos: the masks of face crops, and the forged face among several.

A mask video is opened once to choose the forged face (`choose_forged_track`, before
crops are cut) and once to cut the masks of the crops (`read_crop_masks`).
"""

from pathlib import Path

import numpy as np

from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop
from pipeline.faces.tracking import Track
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.status import VideoStatus


def choose_forged_track(
    tracks: list[Track], frames: Frames, mask: Path, config: FacesConfig
) -> Track:
    """The track whose boxes overlap most with the mask.

    If the mask is empty, this is the first track, which has the largest face.

    Raises VideoError if the mask cannot be read. Without it, a real face could be
    labelled as fake.
    """
    overlap = np.zeros(len(tracks))
    try:
        video = open_video(mask, config.decoder)
        scale = np.array([video.width, video.height] * 2, float)
        scale /= [frames.video.width, frames.video.height] * 2
        mask_frames = Frames(video, frames.numbers[frames.numbers < video.index.total])
        for numbers, pixels in mask_frames:
            for number, forged in zip(numbers, pixels[..., 0] > 127, strict=True):
                for k, track in enumerate(tracks):
                    boxes = track.boxes[frames.numbers[track.frame] == number] * scale
                    overlap[k] += sum(mask_iou(forged, box) for box in boxes)
    except VideoError as error:
        seen = f"{len(tracks)} people are seen, and no mask says who was forged"
        raise VideoError(VideoStatus.UNCLEAR, f"{seen}: {error}") from None
    return tracks[int(overlap.argmax())]


def mask_iou(forged: np.ndarray, box: np.ndarray) -> float:
    """Intersection over union of a mask (H, W) bool and a box (4,) in its px."""
    left, top, right, bottom = np.maximum(box.round().astype(int), 0)
    inside = int(forged[top:bottom, left:right].sum())
    area = (right - left) * (bottom - top)
    return inside / max(area + int(forged.sum()) - inside, 1)


def read_crop_masks(
    path: Path | None,
    columns: dict[str, np.ndarray],
    *,
    frame: tuple[int, int],
    config: FacesConfig,
) -> tuple[np.ndarray, bool, str]:
    """The masks (N, S, S) uint8 of N crops, whether all are known, and a fault or "".

    `path` is the mask video or None. `columns` has the box (N, 4) and the frame number
    (N,) of each crop. `frame` is (height, width) of the video in px. Masks that are not
    known are zero.
    """
    boxes, crop_numbers = columns["box"], columns["number"]
    masks = np.zeros((len(boxes), config.size, config.size), np.uint8)
    if path is None:
        return masks, False, ""
    numbers = np.unique(crop_numbers)
    try:
        video = open_video(path, config.decoder)
        mask_frames = Frames(video, numbers[numbers < video.index.total])
        for chunk, pixels in mask_frames:
            for number, picture in zip(chunk, pixels, strict=True):
                rows = crop_numbers == number
                copies = np.broadcast_to(picture, (rows.sum(), *picture.shape))
                masks[rows] = cut_mask_crops(
                    copies, boxes[rows], frame=frame, size=config.size
                )
    except VideoError as error:
        return np.zeros_like(masks), False, f"no mask: {error}"
    if len(mask_frames.numbers) < len(numbers):
        lacking = len(numbers) - len(mask_frames.numbers)
        return masks, False, f"the mask video lacks {lacking} of {len(numbers)} frames"
    return masks, True, ""


def cut_mask_crops(
    masks: np.ndarray, boxes: np.ndarray, *, frame: tuple[int, int], size: int
) -> np.ndarray:
    """Cut box i out of mask i and resize it: (N, size, size) uint8, 0 or 1.

    `masks` is (N, h, w, 3) uint8. `boxes` are in px of the frame (height, width) of the
    video. The masks may have another size than the frame.
    """
    scale = np.array([masks.shape[2] / frame[1], masks.shape[1] / frame[0]] * 2)
    scaled = np.rint(boxes * scale).astype(np.int32)
    scaled[:, 2:] = np.maximum(scaled[:, 2:], scaled[:, :2] + 1)
    return (crop(masks[..., 0], scaled, size) > 127).astype(np.uint8)
