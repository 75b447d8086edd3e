"""Follow the main subject through the frames of a video."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.detection import Detections


@dataclass(frozen=True)
class Track:
    """One face in every one of N frames."""

    boxes: np.ndarray  # (N, 4) float32: left, top, right, bottom in px
    scores: np.ndarray  # (N,) float32; NaN where interpolated
    landmarks: np.ndarray  # (N, 5, 2) float32 px; NaN where unknown
    interpolated: np.ndarray  # (N,) bool: no detection in this frame


@dataclass
class _Candidate:
    """Detections that seem to be one person: frame index -> index of a detection."""

    hits: dict[int, int] = field(default_factory=dict)
    last: np.ndarray = field(default_factory=lambda: np.zeros(4))
    weight: float = 0.0


def follow_subject(detections: list[Detections], numbers: np.ndarray) -> Track | None:
    """The face that is largest over the whole video; None where there is no face.

    Detections are linked from frame to frame by place and size, so that a bystander
    or a false find does not take over in one frame. Where the subject was missed, its
    box is interpolated over frame `numbers` (N,), or held at the ends.
    """
    candidates: list[_Candidate] = []
    for index, found in enumerate(detections):
        for candidate, which in _match(candidates, found.boxes):
            candidate.hits[index] = which
            candidate.last = found.boxes[which]
            candidate.weight += float(_sides(found.boxes[which][None])[0])
    if not candidates:
        return None
    return _fill(max(candidates, key=lambda c: c.weight), detections, numbers)


def _match(
    candidates: list[_Candidate], boxes: np.ndarray
) -> list[tuple[_Candidate, int]]:
    """Give each of a frame's boxes (K, 4) to a candidate, nearest pairs first.

    A box that no candidate can be linked to starts a new one, in `candidates` too.
    """
    pairs = [
        (_distance(candidate.last, box), known, which)
        for known, candidate in enumerate(candidates)
        for which, box in enumerate(boxes)
        if _linked(candidate.last, box)
    ]
    given: dict[int, _Candidate] = {}
    taken: set[int] = set()
    for _, known, which in sorted(pairs):
        if known not in taken and which not in given:
            taken.add(known)
            given[which] = candidates[known]
    for which in set(range(len(boxes))) - set(given):
        given[which] = _Candidate()
        candidates.append(given[which])
    return [(candidate, which) for which, candidate in given.items()]


def _fill(
    subject: _Candidate, detections: list[Detections], numbers: np.ndarray
) -> Track:
    """A track from the frames in which the subject was found."""
    hits = np.array(sorted(subject.hits))
    which = [subject.hits[index] for index in hits]
    known = np.stack([detections[i].boxes[w] for i, w in zip(hits, which, strict=True)])
    boxes = np.stack(
        [np.interp(numbers, numbers[hits], known[:, side]) for side in range(4)], axis=1
    )
    scores = np.full(len(numbers), np.nan, np.float32)
    landmarks = np.full((len(numbers), 5, 2), np.nan, np.float32)
    for index, w in zip(hits, which, strict=True):
        scores[index] = detections[index].scores[w]
        landmarks[index] = detections[index].landmarks[w]
    missed = ~np.isin(np.arange(len(numbers)), hits)
    return Track(boxes.astype(np.float32), scores, landmarks, missed)


def _sides(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each of (K, 4) boxes, (K,) px."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance between the centres of two boxes, in px."""
    return float(np.hypot(*((one[:2] + one[2:]) / 2 - (other[:2] + other[2:]) / 2)))


def _linked(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes can be one person, frames apart: near, and alike in size."""
    sides = _sides(np.stack([one, other]))
    return _distance(one, other) < sides.max() and sides.max() < 2 * sides.min()
