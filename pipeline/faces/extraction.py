"""From one video to its face crops."""

from pathlib import Path

import numpy as np

from pipeline.config.faces import FacesConfig
from pipeline.faces.alignment import alignments
from pipeline.faces.appearance import ALIKE, face_colours, overlap, scene_colours
from pipeline.faces.cropping import crop, square_boxes
from pipeline.faces.detection.face_detector import GROUP, Detections, FaceDetector
from pipeline.faces.masks import forged_track, masks_of_crops
from pipeline.faces.tracking import Sightings, Track, follow_faces
from pipeline.faces.video_faces import VideoFaces
from pipeline.statistics.sampling import evenly_spaced
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frames import Frames
from pipeline.videos.decoding.video import open_video
from pipeline.videos.status import VideoStatus


def extract_video(
    path: Path, mask: Path | None, detector: FaceDetector, config: FacesConfig
) -> VideoFaces:
    """Decode, detect, follow and crop one video.

    Never raises for what is wrong with the video: it becomes a status and a reason.
    """
    size: dict[str, int] = {}
    try:
        video = open_video(path, config.decoder)
        total, width, height = video.index.total, video.width, video.height
        size = {"total_frames": total, "width": width, "height": height}
        frames = Frames(video, evenly_spaced(total, config.frames), GROUP)
        sightings = _look(frames, detector)
        size["looked_at"] = len(frames.numbers)
        tracks = _follow(sightings, config, mask)
        if config.faces == "largest" and mask and len(tracks) > 1:
            tracks = [forged_track(tracks, frames, mask, config)]
        crops, tracks = _cut(frames, tracks, detector, config)
    except VideoError as error:
        return VideoFaces(error.status, str(error), **size)
    if not tracks:
        return VideoFaces(VideoStatus.NO_FACE, _why_no_face(sightings), **size)
    columns = _columns(frames, sightings, tracks, detector, config)
    masks, has_mask, fault = masks_of_crops(mask, (height, width), columns, config)
    status, reasons = _status(frames, tracks[0], config)
    reason = "; ".join(filter(None, [*reasons, fault]))
    return VideoFaces(
        status,
        reason,
        has_mask=has_mask,
        crops=crops,
        masks=masks,
        frames=columns,
        **size,
    )


def _look(frames: Frames, detector: FaceDetector) -> Sightings:
    """Find all faces in the frames, and what they and the scenes look like.

    Raises VideoError where no frame can be had.
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


def _follow(
    sightings: Sightings, config: FacesConfig, mask: Path | None
) -> list[Track]:
    """Everyone, where it is still to be told who of them is wanted."""
    least = int(np.ceil(config.min_seen * len(sightings.times)))
    one = config.faces == "largest" and mask is None
    return follow_faces(sightings, least, 1 if one else None)


def _cut(
    frames: Frames,
    tracks: list[Track],
    detector: FaceDetector,
    config: FacesConfig,
) -> tuple[np.ndarray, list[Track]]:
    """Crops (N, S, S, 3), track by track, and the tracks without the frames in which an
    interpolated box turns out not to show the face."""
    cut: list[list[np.ndarray]] = [[] for _ in tracks]
    shown: list[list[bool]] = [[] for _ in tracks]
    boxes = [_squares(frames, track, detector, config) for track in tracks]
    looks = [np.nanmean(track.faces, 0) for track in tracks]
    for numbers, pixels in frames if tracks else ():
        first = np.searchsorted(frames.numbers, numbers[:1]).sum()
        for k, track in enumerate(tracks):
            inside = (track.frame >= first) & (track.frame < first + len(pixels))
            for row in np.flatnonzero(inside):
                frame = pixels[track.frame[row] - first]
                same = overlap(face_colours(frame, track.boxes[row]), looks[k]) > ALIKE
                shown[k].append(bool(same or not track.interpolated[row]))
                if shown[k][-1]:
                    cut[k].append(crop(frame[None], boxes[k][row, None], config.size))
    crops = [one for track in cut for one in track]
    kept = [t.keep(np.array(s, bool)) for t, s in zip(tracks, shown, strict=True)]
    return np.concatenate(crops) if crops else np.zeros((0,)), kept


def _squares(
    frames: Frames, track: Track, detector: FaceDetector, config: FacesConfig
) -> np.ndarray:
    frame = frames.video.height, frames.video.width
    return square_boxes(track.steady, detector.calibration, config.margin, frame)


def _columns(
    frames: Frames,
    sightings: Sightings,
    tracks: list[Track],
    detector: FaceDetector,
    config: FacesConfig,
) -> dict[str, np.ndarray]:
    """The shard's columns of the crops' frames, in the order of the crops."""
    frame = np.concatenate([track.frame for track in tracks])
    landmarks = np.concatenate([track.landmarks for track in tracks])
    return {
        "subject": np.repeat(np.arange(len(tracks)), [len(t.frame) for t in tracks]),
        "number": frames.numbers[frame],
        "timestamp": sightings.times[frame],
        "box": np.concatenate([_squares(frames, t, detector, config) for t in tracks]),
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
    """The worst that can be said of a video with crops, and all that can be said."""
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
