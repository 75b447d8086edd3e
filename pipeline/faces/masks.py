"""Read mask videos: the masks of face crops, and the forged faces among several.

A mask video is opened once to choose the forged faces (`forged_tracks`, before crops
are cut) and once to cut the masks of the crops (`read_crop_masks`).
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

# A face is forged if it overlaps with the mask at least so much, as a share of the
# overlap of the face that overlaps most.
SMALLEST_OVERLAP = 0.1


def forged_tracks(
    tracks: list[Track], frames: Frames, mask: Path, config: FacesConfig
) -> list[Track]:
    """The tracks that overlap with the mask, the one that overlaps most first.

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
    forged = np.flatnonzero(overlap >= SMALLEST_OVERLAP * overlap.max())
    order = forged[np.argsort(-overlap[forged], kind="stable")]
    return [tracks[k] for k in (order if overlap.any() else order[:1])]


def shows_forged_face(
    masks: np.ndarray,
    columns: dict[str, np.ndarray],
    mask: Path,
    config: FacesConfig,
) -> bool:
    """Whether the crops of a fake show the forged face, and not only a bystander.

    `masks` (N, S, S) are the masks of the crops. If they are all empty, but the mask
    video is not, the forged face was not found.
    """
    if masks.any():
        return True
    video = open_video(mask, config.decoder)
    numbers = np.unique(columns["number"])
    known = Frames(video, numbers[numbers < video.index.total])
    return not any((pixels[..., 0] > 127).any() for _, pixels in known)


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
) -> tuple[np.ndarray, np.ndarray, str]:
    """The masks (N, S, S) uint8 of N crops, which are known, (N,), and a fault or "".

    `path` is the mask video or None. `columns` has the box (N, 4) and the frame number
    (N,) of each crop. `frame` is (height, width) of the video in px. Masks that are not
    known are zero.
    """
    boxes, crop_numbers = columns["box"], columns["number"]
    masks = np.zeros((len(boxes), config.size, config.size), np.uint8)
    known = np.zeros(len(boxes), bool)
    if path is None:
        return masks, known, ""
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
        return np.zeros_like(masks), known, f"no mask: {error}"
    known = np.isin(crop_numbers, mask_frames.numbers)
    if known.all():
        return masks, known, ""
    lacking = len(numbers) - len(mask_frames.numbers)
    return masks, known, f"the mask video lacks {lacking} of {len(numbers)} frames"


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
