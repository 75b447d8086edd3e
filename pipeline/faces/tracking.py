"""Follow faces through the examined frames of a video.

Each face is the path of detections with the largest total weight. A detection adds the
side of its box. A link between two detections subtracts a cost, which is higher the
less likely both are the same person. (Tracking as a shortest path: Zhang, Li and
Nevatia 2008.) All frames are weighed together. Therefore a passer-by or a false
detection in one frame does not replace a face, as it can if each frame is decided
separately.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.faces.appearance import SAME_OVERLAP, histogram_overlap

# A gap in a track is interpolated if it has at most so many frames, or seconds.
MAX_MISSED_FRAMES, MAX_MISSED_SECONDS = 2, 1.0
SAME_OVERLAP_ACROSS_CUTS = 0.93  # SAME_OVERLAP of faces in different scenes
MAX_LINK_GAP = 100  # largest distance of two linked detections, in detections
CENTRE_SIGMA, SIDE_SIGMA = 0.1, 0.5  # s: standard deviations of the smoothing over time


@dataclass(frozen=True)
class Sightings:
    """All M detections in the F examined frames, in the order of the frames."""

    times: np.ndarray  # (F,) float64 s
    scenes: np.ndarray  # (F, 64) float32: colour histograms of the frames
    frame: np.ndarray  # (M,) int64: index of the examined frame
    boxes: np.ndarray  # (M, 4) float32: left, top, right, bottom in px
    scores: np.ndarray  # (M,) float32
    landmarks: np.ndarray  # (M, 5, 2) float32 px; NaN where unknown
    faces: np.ndarray  # (M, 64) float32: colour histograms of the faces


@dataclass(frozen=True)
class Track:
    """One face in N of the examined frames."""

    frame: np.ndarray  # (N,) int64, increasing: indices of the examined frames
    boxes: np.ndarray  # (N, 4) float32 px: detected or interpolated
    steady: np.ndarray  # (N, 4) float32 px: square, and smoothed over time
    scores: np.ndarray  # (N,) float32; NaN where interpolated
    landmarks: np.ndarray  # (N, 5, 2) float32 px; NaN where unknown
    faces: np.ndarray  # (N, 64) float32: colour histograms; NaN where interpolated
    interpolated: np.ndarray  # (N,) bool: the frame has no detection

    @property
    def weight(self) -> float:
        """Sum of the sides of the detected boxes, px."""
        return float(sides(self.boxes[~self.interpolated]).sum())

    def keep(self, which: np.ndarray) -> "Track":
        """The track in the frames where `which` (N,) bool is True."""
        return Track(*(values[which] for values in vars(self).values()))


def follow_faces(
    found: Sightings, min_frames: int, max_faces: int | None = None
) -> list[Track]:
    """Tracks of the faces that are seen in at least `min_frames` frames.

    The track with the largest weight is first. At most `max_faces` faces are followed;
    None follows all. Boxes are interpolated in short gaps between near detections. In
    longer gaps, and before and after the detections, a track has no frames.
    """
    free = np.ones(len(found.frame), bool)
    tracks: list[Track] = []
    while max_faces is None or len(tracks) < max_faces:
        path = _best_path(found, np.flatnonzero(free))
        if len(path) < max(min_frames, 1):
            break
        free[path] = False
        tracks.append(_fill(found, path))
    return sorted(tracks, key=lambda track: -track.weight)


def sides(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each of (N, 4) boxes, (N,) px."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _best_path(found: Sightings, free: np.ndarray) -> np.ndarray:
    """Indices of the detections on the path of largest weight through `free` (K,)."""
    gain = sides(found.boxes[free]).astype(float)
    best, previous = gain.copy(), np.full(len(free), -1)
    for k in range(len(free)):
        earlier = np.arange(max(0, k - MAX_LINK_GAP), k)
        linked = best[earlier] - _link_cost(found, free[earlier], free[k])
        if len(earlier) and linked.max() > 0:
            previous[k] = earlier[linked.argmax()]
            best[k] += linked.max()
    path: list[int] = []
    step = int(best.argmax()) if len(free) else -1
    while step >= 0:
        path.append(step)
        step = int(previous[step])
    return free[path[::-1]]


def _link_cost(found: Sightings, earlier: np.ndarray, later: int) -> np.ndarray:
    """Costs (K,) px of linking detections to a later one; inf where impossible.

    In the same scene and after few frames, a face must be near its earlier place. After
    a longer absence it may be anywhere if its colours are similar. After a cut its
    colours must be more similar still.
    """
    size = sides(found.boxes)
    side = (size[earlier] + size[later]) / 2
    growth = np.abs(np.log2(size[earlier] / size[later]))  # octaves
    distance = _distances(found.boxes[earlier], found.boxes[later]) / side
    similarity = histogram_overlap(found.faces[earlier], found.faces[later])
    same_scene = _same_scene(found, earlier, later)
    soon = same_scene & _short_gap(found, earlier, later)
    near = soon & (distance < 1)
    different = 0.7 * (1 - similarity)
    # A face that is not near costs more than a move by its own width.
    cost = np.where(near, 0.8 * distance + different, 1 + different) + 0.5 * growth
    required = np.where(same_scene, SAME_OVERLAP, SAME_OVERLAP_ACROSS_CUTS)
    possible = near | (~soon & (similarity > required))
    possible &= growth < 1
    possible &= found.frame[earlier] < found.frame[later]
    return np.where(possible, side * cost, np.inf)


def _short_gap(
    found: Sightings, earlier: np.ndarray, later: np.ndarray | int
) -> np.ndarray:
    """Whether the gaps between detections are short enough to be interpolated."""
    one, other = found.frame[earlier], found.frame[later]
    missed, seconds = other - one - 1, found.times[other] - found.times[one]
    return (missed <= MAX_MISSED_FRAMES) | (seconds <= MAX_MISSED_SECONDS)


def _same_scene(
    found: Sightings, earlier: np.ndarray, later: np.ndarray | int
) -> np.ndarray:
    """Whether the frames of detections have similar colours."""
    one, other = found.scenes[found.frame[earlier]], found.scenes[found.frame[later]]
    return histogram_overlap(one, other) > SAME_OVERLAP


def _distances(boxes: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances between the centres of boxes (..., 4) and those of others, in px."""
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    return np.linalg.norm(centres - (other[..., :2] + other[..., 2:]) / 2, axis=-1)


def _fill(found: Sightings, path: np.ndarray) -> Track:
    """The track along the detections `path`, with boxes interpolated in short gaps."""
    hits = found.frame[path]
    one, other = path[:-1], path[1:]
    side = np.maximum(sides(found.boxes[one]), sides(found.boxes[other]))
    bridged = _short_gap(found, one, other) & _same_scene(found, one, other)
    bridged &= _distances(found.boxes[one], found.boxes[other]) < side
    frames = [
        np.arange(start, end if bridge else start + 1)
        for start, end, bridge in zip(hits[:-1], hits[1:], bridged, strict=True)
    ]
    frame = np.concatenate([*frames, hits[-1:]])
    missed = ~np.isin(frame, hits)
    corners = found.boxes[path].T
    times = found.times[frame]
    columns = [np.interp(times, found.times[hits], corner) for corner in corners]
    boxes = np.stack(columns, axis=1).astype(np.float32)
    scores = np.full(len(frame), np.nan, np.float32)
    landmarks = np.full((len(frame), 5, 2), np.nan, np.float32)
    faces = np.full((len(frame), found.faces.shape[1]), np.nan, np.float32)
    scores[~missed], landmarks[~missed] = found.scores[path], found.landmarks[path]
    faces[~missed] = found.faces[path]
    section = np.concatenate([[0], np.cumsum(~bridged)])  # without gaps inside
    section = section[np.searchsorted(hits, frame, side="right") - 1]
    steady = _steady(boxes, times, section)
    return Track(frame, boxes, steady, scores, landmarks, faces, missed)


def _steady(boxes: np.ndarray, times: np.ndarray, section: np.ndarray) -> np.ndarray:
    """Squares around boxes, smoothed over time within each section: (N, 4) float32.

    Sides are smoothed with SIDE_SIGMA, because faces change their size slowly and the
    sizes of detections are inexact. Centres are smoothed with the smaller CENTRE_SIGMA,
    so that they hardly change if frames are far apart in time.
    """
    half, centre = sides(boxes) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    smooth = np.empty((len(boxes), 4), np.float32)
    first = np.searchsorted(times, times - 4 * SIDE_SIGMA)
    last = np.searchsorted(times, times + 4 * SIDE_SIGMA)
    for k in range(len(boxes)):
        near = slice(first[k], last[k])
        apart = np.where(section[near] == section[k], times[near] - times[k], np.inf)
        middle = np.average(centre[near], 0, np.exp(-((apart / CENTRE_SIGMA) ** 2) / 2))
        side = np.average(half[near], 0, np.exp(-((apart / SIDE_SIGMA) ** 2) / 2))
        smooth[k] = *(middle - side), *(middle + side)
    return smooth
