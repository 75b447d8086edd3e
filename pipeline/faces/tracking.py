"""Follow faces through the frames of a video that were looked at.

A face is followed along the path of detections that together weigh most: each adds the
side of its box, each link from one to the next takes off what speaks against the two
being one person. (The shortest-path view of tracking: Zhang, Li & Nevatia 2008.) The
whole video is weighed at once, so a passer-by or a false find in one frame does not
take a face over, as it can where each frame decides for itself.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.faces.appearance import ALIKE, overlap

MISSED, MISSED_SECONDS = 2, 1.0  # frames in a row that are filled in, or this long
ALIKE_ANYWHERE = 0.93  # overlap of two looks that are one face even across a cut
REACH = 100  # detections that a link may pass over
STEADY_CENTRE, STEADY_SIDE = 0.1, 0.5  # s: standard deviations of the smoothing


@dataclass(frozen=True)
class Sightings:
    """All detections in the F frames looked at, M of them in the order of frames."""

    times: np.ndarray  # (F,) float64 s
    scenes: np.ndarray  # (F, 64) float32: what the frames look like
    frame: np.ndarray  # (M,) int64: index into the frames looked at
    boxes: np.ndarray  # (M, 4) float32: left, top, right, bottom in px
    scores: np.ndarray  # (M,) float32
    landmarks: np.ndarray  # (M, 5, 2) float32 px; NaN where unknown
    faces: np.ndarray  # (M, 64) float32: what the faces look like


@dataclass(frozen=True)
class Track:
    """One face, in N of the frames looked at."""

    frame: np.ndarray  # (N,) int64, increasing: index into the frames looked at
    boxes: np.ndarray  # (N, 4) float32: as detected, or interpolated
    steady: np.ndarray  # (N, 4) float32: square, and smoothed over time
    scores: np.ndarray  # (N,) float32; NaN where interpolated
    landmarks: np.ndarray  # (N, 5, 2) float32 px; NaN where unknown
    faces: np.ndarray  # (N, 64) float32: what the face looks like; NaN where unknown
    interpolated: np.ndarray  # (N,) bool: no detection in this frame

    @property
    def weight(self) -> float:
        """Sum of the sides of the detected boxes, px."""
        return float(sides(self.boxes[~self.interpolated]).sum())

    def keep(self, which: np.ndarray) -> "Track":
        """The frames of the track that `which` (N,) bool says."""
        return Track(*(values[which] for values in vars(self).values()))


def follow_faces(found: Sightings, least: int, most: int | None = None) -> list[Track]:
    """The faces that are seen in at least `least` frames, weightiest first.

    Where a face was missed in a few frames between two near ones, its box is
    interpolated; where it is away for longer, or before and after it is seen, the track
    has no frames. `most` is how many faces to follow; None for all.
    """
    free = np.ones(len(found.frame), bool)
    tracks: list[Track] = []
    while most is None or len(tracks) < most:
        path = _best_path(found, np.flatnonzero(free))
        if len(path) < max(least, 1):
            break
        free[path] = False
        tracks.append(_fill(found, path))
    return sorted(tracks, key=lambda track: -track.weight)


def sides(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each of (N, 4) boxes, (N,) px."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _best_path(found: Sightings, free: np.ndarray) -> np.ndarray:
    """The weightiest path through the detections `free`, as indices of detections."""
    gain = sides(found.boxes[free]).astype(float)
    best, before = gain.copy(), np.full(len(free), -1)
    for k in range(len(free)):
        earlier = np.arange(max(0, k - REACH), k)
        through = best[earlier] - _link_cost(found, free[earlier], free[k])
        if len(earlier) and through.max() > 0:
            before[k] = earlier[through.argmax()]
            best[k] += through.max()
    path: list[int] = []
    step = int(best.argmax()) if len(free) else -1
    while step >= 0:
        path.append(step)
        step = int(before[step])
    return free[path[::-1]]


def _link_cost(found: Sightings, earlier: np.ndarray, later: int) -> np.ndarray:
    """What speaks against detections being one face, (K,) px; inf where it can't be.

    In one scene, and with few frames between, a face is near where it was. After an
    absence it may be anywhere, if only it looks the same; all the more after a cut.
    """
    size = sides(found.boxes)
    side = (size[earlier] + size[later]) / 2
    growth = np.abs(np.log2(size[earlier] / size[later]))
    away = _distances(found.boxes[earlier], found.boxes[later]) / side
    likeness = overlap(found.faces[earlier], found.faces[later])
    scene = _same_scene(found, earlier, later)
    close = scene & _soon(found, earlier, later)
    near = close & (away < 1)
    unlikely = 1 + 0.7 * (1 - likeness)  # as costly as a face's whole width
    cost = np.where(near, 0.8 * away + 0.7 * (1 - likeness), unlikely) + 0.5 * growth
    enough = np.where(scene, ALIKE, ALIKE_ANYWHERE)
    possible = near | (~close & (likeness > enough))
    possible &= growth < 1
    possible &= found.frame[earlier] < found.frame[later]
    return np.where(possible, side * cost, np.inf)


def _soon(found: Sightings, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Whether few frames, or little time, lie between detections."""
    one, other = found.frame[earlier], found.frame[later]
    missed, seconds = other - one - 1, found.times[other] - found.times[one]
    return (missed <= MISSED) | (seconds <= MISSED_SECONDS)


def _same_scene(found: Sightings, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Whether the whole frames of detections look alike."""
    one, other = found.scenes[found.frame[earlier]], found.scenes[found.frame[later]]
    return overlap(one, other) > ALIKE


def _distances(boxes: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances between the centres of boxes (..., 4) and of others, px."""
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    return np.linalg.norm(centres - (other[..., :2] + other[..., 2:]) / 2, axis=-1)


def _fill(found: Sightings, path: np.ndarray) -> Track:
    """The track through the detections `path`, with short gaps interpolated."""
    hits = found.frame[path]
    one, other = path[:-1], path[1:]
    side = np.maximum(sides(found.boxes[one]), sides(found.boxes[other]))
    bridged = _soon(found, one, other) & _same_scene(found, one, other)
    bridged &= _distances(found.boxes[one], found.boxes[other]) < side
    frames = [
        np.arange(start, end if bridge else start + 1)
        for start, end, bridge in zip(hits[:-1], hits[1:], bridged, strict=True)
    ]
    frame = np.concatenate([*frames, hits[-1:]])
    missed = ~np.isin(frame, hits)
    corners = found.boxes[path].T
    boxes = [np.interp(found.times[frame], found.times[hits], c) for c in corners]
    boxes = np.stack(boxes, axis=1).astype(np.float32)
    scores = np.full(len(frame), np.nan, np.float32)
    landmarks = np.full((len(frame), 5, 2), np.nan, np.float32)
    faces = np.full((len(frame), found.faces.shape[1]), np.nan, np.float32)
    scores[~missed], landmarks[~missed] = found.scores[path], found.landmarks[path]
    faces[~missed] = found.faces[path]
    run = np.concatenate([[0], np.cumsum(~bridged)])  # stretches without a gap
    run = run[np.searchsorted(hits, frame, side="right") - 1]
    steady = _steady(boxes, found.times[frame], run)
    return Track(frame, boxes, steady, scores, landmarks, faces, missed)


def _steady(boxes: np.ndarray, times: np.ndarray, run: np.ndarray) -> np.ndarray:
    """Squares around boxes, smoothed over time within each run, (N, 4) float32.

    Sizes change slowly, and a detector's are rough: they are smoothed over half a
    second. Places are, over a tenth: frames far apart are left where they are.
    """
    half, centre = sides(boxes) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    smooth = np.empty((len(boxes), 4), np.float32)
    first = np.searchsorted(times, times - 4 * STEADY_SIDE)
    last = np.searchsorted(times, times + 4 * STEADY_SIDE)
    for k in range(len(boxes)):
        near = slice(first[k], last[k])
        apart = np.where(run[near] == run[k], times[near] - times[k], np.inf)
        at = np.average(centre[near], 0, np.exp(-((apart / STEADY_CENTRE) ** 2) / 2))
        side = np.average(half[near], 0, np.exp(-((apart / STEADY_SIDE) ** 2) / 2))
        smooth[k] = *(at - side), *(at + side)
    return smooth
