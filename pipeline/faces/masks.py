"""The manipulation masks of face crops, and the forged face among several."""

from pathlib import Path

import numpy as np

from pipeline.config.faces import FacesConfig
from pipeline.faces.cropping import crop
from pipeline.faces.tracking import Track
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.status import VideoStatus


def forged_track(
    tracks: list[Track], frames: Frames, mask: Path, config: FacesConfig
) -> Track:
    """The track whose boxes fit the mask best; the largest face if the mask is empty.

    Raises VideoError where there is no mask to be read: a real face would be called
    fake.
    """
    fit = np.zeros(len(tracks))
    try:
        video = open_video(mask, config.decoder)
        scale = np.array([video.width, video.height] * 2, float)
        scale /= [frames.video.width, frames.video.height] * 2
        known = Frames(video, frames.numbers[frames.numbers < video.index.total])
        for numbers, pixels in known:
            for number, forged in zip(numbers, pixels[..., 0] > 127, strict=True):
                for k, track in enumerate(tracks):
                    boxes = track.boxes[frames.numbers[track.frame] == number] * scale
                    fit[k] += sum(mask_overlap(forged, box) for box in boxes)
    except VideoError as error:
        seen = f"{len(tracks)} people are seen, and no mask says who was forged"
        raise VideoError(VideoStatus.UNCLEAR, f"{seen}: {error}") from None
    return tracks[int(fit.argmax())]


def mask_overlap(forged: np.ndarray, box: np.ndarray) -> float:
    """Intersection over union of a mask (H, W) bool and a box (4,) in its px."""
    left, top, right, bottom = np.maximum(box.round().astype(int), 0)
    inside = int(forged[top:bottom, left:right].sum())
    area = (right - left) * (bottom - top)
    return inside / max(area + int(forged.sum()) - inside, 1)


def masks_of_crops(
    path: Path | None,
    frame: tuple[int, int],
    columns: dict[str, np.ndarray],
    config: FacesConfig,
) -> tuple[np.ndarray, bool, str]:
    """The crops' masks (empty where there is none), whether all are known, a fault."""
    boxes, of_crop = columns["box"], columns["number"]
    masks = np.zeros((len(boxes), config.size, config.size), np.uint8)
    if path is None:
        return masks, False, ""
    numbers = np.unique(of_crop)
    try:
        video = open_video(path, config.decoder)
        known = Frames(video, numbers[numbers < video.index.total])
        for found, pixels in known:
            for number, picture in zip(found, pixels, strict=True):
                rows = of_crop == number
                copies = np.broadcast_to(picture, (rows.sum(), *picture.shape))
                masks[rows] = crop_masks(copies, boxes[rows], frame, config.size)
    except VideoError as error:
        return np.zeros_like(masks), False, f"no mask: {error}"
    if len(known.numbers) < len(numbers):
        lacking = len(numbers) - len(known.numbers)
        return masks, False, f"the mask video lacks {lacking} of {len(numbers)} frames"
    return masks, True, ""


def crop_masks(
    masks: np.ndarray, boxes: np.ndarray, frame: tuple[int, int], size: int
) -> np.ndarray:
    """Cut the crops' share out of mask frames: (N, size, size) uint8, 0 or 1.

    `masks` is (N, h, w, 3) uint8; `boxes` are in px of the video's frame (height,
    width), of which the masks may be a scaled copy.
    """
    scale = np.array([masks.shape[2] / frame[1], masks.shape[1] / frame[0]] * 2)
    scaled = np.rint(boxes * scale).astype(np.int32)
    scaled[:, 2:] = np.maximum(scaled[:, 2:], scaled[:, :2] + 1)
    return (crop(masks[..., 0], scaled, size) > 127).astype(np.uint8)
