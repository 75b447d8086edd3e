"""Make the face crops of one video."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.config.faces import FacesConfig
from pipeline.faces.alignment import alignments
from pipeline.faces.appearance import (
    SAME_OVERLAP,
    face_colours,
    histogram_overlap,
    scene_colours,
)
from pipeline.faces.cropping import crop, square_boxes
from pipeline.faces.detection.face_detector import GROUP_SIZE, Detections, FaceDetector
from pipeline.faces.masks import forged_tracks, read_crop_masks, shows_forged_face
from pipeline.faces.tracking import Sightings, Track, follow_faces
from pipeline.faces.video_faces import VideoFaces
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.status import VideoStatus


@dataclass(frozen=True)
class MaskVideos:
    """The mask videos of a video; None if there is none.

    Attributes:
        own: of a fake: where it was manipulated.
        subject: of another fake of the same recording. It shows which person is the
            subject of a video without an own mask.
        is_fake: whether the video is a fake.
    """

    own: Path | None = None
    subject: Path | None = None
    is_fake: bool = False


def extract_video(
    path: Path, masks: MaskVideos, detector: FaceDetector, config: FacesConfig
) -> VideoFaces:
    """Decode a video, find and follow its faces, and cut crops and their masks.

    Faults of the video raise no error. They become the status and the reason.
    """
    mask = masks.own
    known = VideoFaces(VideoStatus.UNREADABLE)
    try:
        video = open_video(path, config.decoder)
        total, width, height = video.index.total, video.width, video.height
        known = replace(known, total_frames=total, width=width, height=height)
        frames = Frames(video, evenly_spaced(total, config.frames), GROUP_SIZE)
        sightings = _find_faces(frames, detector)
        known = replace(known, looked_at=len(frames.numbers))
        tracks = _follow_faces(sightings, config, masks)
        tracks, remark = _choose_faces(tracks, frames, masks, config)
        crops, tracks = _cut_crops(frames, tracks, detector=detector, config=config)
    except VideoError as error:
        return replace(known, status=error.status, reason=str(error))
    if not tracks:
        reason = _why_no_face(sightings)
        return replace(known, status=VideoStatus.NO_FACE, reason=reason)
    columns = _frame_columns(
        frames, sightings, tracks, detector=detector, config=config
    )
    crop_masks, has_mask, fault = read_crop_masks(
        mask, columns, frame=(height, width), config=config
    )
    if mask and has_mask.any() and not shows_forged_face(
        crop_masks, columns, mask, config
    ):  # fmt: skip
        reason = "the mask is elsewhere: the face that was found is not the forged one"
        return replace(known, status=VideoStatus.NO_FACE, reason=reason)
    columns["has_mask"] = has_mask
    status, reasons = _status(frames, tracks[0], config)
    return replace(
        known,
        status=status,
        reason="; ".join(filter(None, [*reasons, remark, fault])),
        has_mask=bool(has_mask.any()),
        crops=crops,
        masks=crop_masks,
        frames=columns,
    )


def _find_faces(frames: Frames, detector: FaceDetector) -> Sightings:
    """Find all faces in the frames, and describe the colours of faces and frames.

    Raises VideoError if no frame can be decoded.
    """
    found: list[Detections] = []
    scenes: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for _, pixels in frames:
        batch = detector.detect(pixels) if len(pixels) else []
        found += batch
        scenes += [scene_colours(frame) for frame in pixels]
        for frame, one in zip(pixels, batch, strict=True):
            faces += [face_colours(frame, box) for box in one.boxes]
    if not len(frames.numbers):
        raise VideoError(
            VideoStatus.UNREADABLE, "damaged: no frame of it can be trusted"
        )
    return Sightings(
        frames.video.index.timestamps[frames.numbers],
        np.stack(scenes),
        np.repeat(np.arange(len(found)), [len(one.boxes) for one in found]),
        np.concatenate([one.boxes for one in found]),
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.landmarks for one in found]),
        np.stack(faces) if faces else np.zeros((0, scenes[0].size), np.float32),
    )


def _follow_faces(
    sightings: Sightings, config: FacesConfig, masks: MaskVideos
) -> list[Track]:
    """The track of the largest face; all tracks for `faces: all` or with a mask."""
    min_frames = int(np.ceil(config.min_seen * len(sightings.times)))
    has_mask = masks.own is not None or masks.subject is not None
    only_largest = config.faces == "largest" and not has_mask
    return follow_faces(sightings, min_frames, 1 if only_largest else None)


def _choose_faces(
    tracks: list[Track], frames: Frames, masks: MaskVideos, config: FacesConfig
) -> tuple[list[Track], str]:
    """The tracks of the faces that are cropped, and a remark about the choice or "".

    In a fake, these are forged faces only: a bystander would be labelled as a fake.
    Raises VideoError if the own mask of a fake with several people cannot be read.
    """
    wanted = 1 if config.faces == "largest" else len(tracks)
    if len(tracks) < 2:
        return tracks, ""
    if masks.own is not None:
        return forged_tracks(tracks, frames, masks.own, config)[:wanted], ""
    if not masks.is_fake and wanted > 1:
        return tracks, ""
    remark = f"{len(tracks)} people are seen, and no mask says who is the subject"
    if masks.subject is not None:
        try:
            return forged_tracks(tracks, frames, masks.subject, config)[:wanted], ""
        except VideoError as error:
            remark = str(error)
    return tracks[:1], f"{remark}; the largest face is used"


def _cut_crops(
    frames: Frames,
    tracks: list[Track],
    *,
    detector: FaceDetector,
    config: FacesConfig,
) -> tuple[np.ndarray, list[Track]]:
    """Crops (N, S, S, 3) uint8, track by track, and the tracks of these crops.

    The returned tracks leave out frames in which an interpolated box does not show the
    face.
    """
    crops: list[list[np.ndarray]] = [[] for _ in tracks]
    shown: list[list[bool]] = [[] for _ in tracks]
    boxes = [_crop_boxes(frames, track, detector, config) for track in tracks]
    mean_colours = [np.nanmean(track.faces, 0) for track in tracks]
    for numbers, pixels in frames if tracks else ():
        first = np.searchsorted(frames.numbers, numbers[:1]).sum()
        for k, track in enumerate(tracks):
            in_chunk = (track.frame >= first) & (track.frame < first + len(pixels))
            for row in np.flatnonzero(in_chunk):
                frame = pixels[track.frame[row] - first]
                found = face_colours(frame, track.boxes[row])
                same = histogram_overlap(found, mean_colours[k]) > SAME_OVERLAP
                shown[k].append(bool(same or not track.interpolated[row]))
                if shown[k][-1]:
                    crops[k].append(crop(frame[None], boxes[k][row, None], config.size))
    together = [one for track_crops in crops for one in track_crops]
    kept = [t.keep(np.array(s, bool)) for t, s in zip(tracks, shown, strict=True)]
    return np.concatenate(together) if together else np.zeros((0,)), kept


def _crop_boxes(
    frames: Frames, track: Track, detector: FaceDetector, config: FacesConfig
) -> np.ndarray:
    """The squares that crops are cut from, (N, 4) int32 px."""
    frame = frames.video.height, frames.video.width
    return square_boxes(track.steady, detector.calibration, config.margin, frame)


def _frame_columns(
    frames: Frames,
    sightings: Sightings,
    tracks: list[Track],
    *,
    detector: FaceDetector,
    config: FacesConfig,
) -> dict[str, np.ndarray]:
    """The columns `frames/...` of the face shard, in the order of the crops."""
    frame = np.concatenate([track.frame for track in tracks])
    landmarks = np.concatenate([track.landmarks for track in tracks])
    return {
        "subject": np.repeat(np.arange(len(tracks)), [len(t.frame) for t in tracks]),
        "number": frames.numbers[frame],
        "timestamp": sightings.times[frame],
        "box": np.concatenate(
            [_crop_boxes(frames, t, detector, config) for t in tracks]
        ),
        "face": np.concatenate([track.boxes for track in tracks]),
        "landmarks": landmarks,
        "alignment": alignments(landmarks, config.margin, config.size),
        "score": np.concatenate([track.scores for track in tracks]),
        "interpolated": np.concatenate([track.interpolated for track in tracks]),
    }


def _why_no_face(sightings: Sightings) -> str:
    looked = len(sightings.times)
    if not len(sightings.boxes):
        return f"no face in any of the {looked} frames looked at"
    return f"no face that is seen often enough in the {looked} frames looked at"


def _status(
    frames: Frames, subject: Track, config: FacesConfig
) -> tuple[VideoStatus, list[str]]:
    """The most severe status of a video with crops, and the reasons of all statuses."""
    total, looked, shown = (
        frames.video.index.total,
        len(frames.numbers),
        len(subject.frame),
    )
    status, reasons = VideoStatus.OK, []
    if frames.asked < config.frames:
        status = VideoStatus.SHORT
        reasons += [f"has {total} frames, fewer than the {config.frames} asked for"]
    if shown < looked:
        status = VideoStatus.PARTIAL
        reasons += [f"the face is seen in {shown} of the {looked} frames looked at"]
    if looked < frames.asked:
        status = VideoStatus.DAMAGED
        reasons += [f"{frames.asked - looked} of {frames.asked} frames are damaged"]
    return status, reasons
