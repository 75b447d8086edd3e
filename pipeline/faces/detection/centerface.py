"""CenterFace (Xu et al. 2020): each face is a peak of a heat map. In batches.

A frame is searched in two steps. The complete frame gives places of faces. Then each
face is found once more in a close-up, where faces have about one size: thus boxes do
not depend on how large a face is in its frame. The frames after it are searched in
close-ups around the faces of the frame before, which takes a tenth of the time.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.faces.detection.calibration import CALIBRATIONS
from pipeline.faces.detection.centerface_file import centerface_file
from pipeline.faces.detection.close_ups import CLOSE_UP, close_up_of
from pipeline.faces.detection.face_detector import GROUP_SIZE, Detections
from pipeline.faces.detection.heat_map import decode
from pipeline.faces.detection.onnx_network import OnnxNetwork
from pipeline.faces.detection.shrinking import enlarge, shrink
from pipeline.runtime.devices import pick_device

MULTIPLE = 32  # px: sides of pictures are multiples of it, as the network requires
# A frame with more faces is searched completely: close-ups would take longer.
MAX_FOLLOWED = 8
MAX_MOVE = 0.75  # of a face since the frame before, in sides of its box
MAX_GROWTH = 1.5  # of its side
# The same faces in the search of the complete frame and in their close-ups.
SAME_MOVE = 0.35
# Smallest score in a complete frame to look at a close-up. Large faces score less in
# the complete frame: 1 % of drawn faces less than 0.5, often in all frames of a video.
CANDIDATE_THRESHOLD = 0.3


class BatchSizes(NamedTuple):
    """How many pictures the network gets at once."""

    frames: int
    close_ups: int
    padded: bool  # whether smaller batches are filled up


# On a CPU, single frames stay in the cache. On a GPU, the size of a batch decides how
# the GPU rounds, and the result for a frame must not depend on the number of others.
CPU_BATCHES = BatchSizes(frames=1, close_ups=16, padded=False)
GPU_BATCHES = BatchSizes(frames=8, close_ups=32, padded=True)

Place = tuple[int, int]  # of a frame: index of its film, and index in the film


class CenterFaceDetector:
    """CenterFace on the GPU if there is one, else on the CPU."""

    calibration = CALIBRATIONS["centerface"]

    def __init__(
        self, max_side: int, threshold: float, weights: Path | None = None
    ) -> None:
        """Load the network.

        `max_side` px is the longest side of a frame; larger frames are shrunk.
        `threshold` is the smallest score of a face. `weights` is the ONNX file; None
        takes the file of the installed package. Raises StepError if it is missing.
        """
        self.max_side, self.threshold = max_side, threshold
        self.device = pick_device()
        self.batches = GPU_BATCHES if self.device.type == "cuda" else CPU_BATCHES
        network = OnnxNetwork(weights or centerface_file())
        self.network = network.eval().to(self.device)

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`."""
        small = shrink(frames, self.max_side)
        (found,) = self.detect_films([small])
        return [enlarge(one, small, frames) for one in found]

    def detect_films(self, films: Sequence[np.ndarray]) -> list[list[Detections]]:
        """Find the faces in the frames of several films; see `FaceDetector.detect`.

        Each film is (N, H, W, 3) uint8 RGB, with sides of at most `max_side` px. The
        first frame of each group of GROUP_SIZE frames is searched completely. So is a
        frame in which a face of the frame before is not found, or two are found at one
        place, and a frame after one without faces or with more than MAX_FOLLOWED.
        """
        found: dict[Place, Detections] = {}
        for step in range(GROUP_SIZE):
            places = [
                (film, number)
                for film, frames in enumerate(films)
                for number in range(step, len(frames), GROUP_SIZE)
            ]
            if step:
                found |= self._follow(films, places, found)
            lost = [place for place in places if place not in found]
            found |= self._search(films, lost)
        return [
            [found[film, number] for number in range(len(frames))]
            for film, frames in enumerate(films)
        ]

    def search(
        self, frames: np.ndarray, threshold: float | None = None
    ) -> list[Detections]:
        """The faces in complete frames (N, H, W, 3) of any size, without close-ups.

        `threshold` is the smallest score of a face; None takes that of the detector.
        """
        height, width = frames.shape[1:3]
        right, below = -width % MULTIPLE, -height % MULTIPLE
        found: list[Detections] = []
        at_once = self.batches.frames
        for start in range(0, len(frames), at_once):
            batch = frames[start : start + at_once]
            pictures = np.pad(batch, [(0, 0), (0, below), (0, right), (0, 0)])
            found += self._run(pictures, at_once, (height, width), threshold)
        return found

    def _search(
        self, films: Sequence[np.ndarray], places: list[Place]
    ) -> dict[Place, Detections]:
        """The faces in these frames, by a complete search and close-ups.

        Large faces score less in the complete frame than in a close-up. So the complete
        search gives candidates, and a candidate below the threshold is a face if its
        close-up reaches the threshold.
        """
        lowest = min(CANDIDATE_THRESHOLD, self.threshold)
        found: dict[Place, Detections] = {}

        def size(place: Place) -> tuple[int, ...]:
            return films[place[0]].shape[1:3]

        for _, same_size in groupby(sorted(places, key=size), size):
            group = list(same_size)
            frames = np.stack([films[film][number] for film, number in group])
            found |= zip(group, self.search(frames, lowest), strict=True)
        certain = {place: self._certain(faces) for place, faces in found.items()}
        wanted = {
            place: faces if len(faces.boxes) <= MAX_FOLLOWED else certain[place]
            for place, faces in found.items()
        }
        wanted = {place: faces for place, faces in wanted.items() if len(faces.boxes)}
        near = self._close_ups(films, wanted, max_move=SAME_MOVE)
        for place, faces in near.items():
            certain[place] = self._exact(wanted[place], faces, certain[place])
        return certain

    def _certain(self, found: Detections) -> Detections:
        """The faces of a frame whose score reaches the threshold."""
        return _rows(found, found.scores >= self.threshold)

    def _exact(
        self, rough: Detections, faces: list[Detections | None], certain: Detections
    ) -> Detections:
        """The faces of a frame from its close-ups.

        `rough` are the candidates of the complete search, `faces` what their close-ups
        show, and `certain` the candidates that reach the threshold.
        """
        exact, others = [], []
        for row, face in enumerate(faces):
            if rough.scores[row] >= self.threshold:
                exact.append(_row(rough, row) if face is None else face)
            elif face is not None:
                others.append(face)
        # Two rough boxes of one face have the same close-up.
        if exact and _has_duplicates(exact):
            return certain
        for face in others:
            if not _has_duplicates([*exact, face]):
                exact.append(face)
        return _joined(exact) if exact else certain

    def _follow(
        self,
        films: Sequence[np.ndarray],
        places: list[Place],
        found: dict[Place, Detections],
    ) -> dict[Place, Detections]:
        """The faces of the frames before these, where all of them are found again."""
        before = {(film, number): found[film, number - 1] for film, number in places}
        before = {place: faces for place, faces in before.items() if len(faces.boxes)}
        near = self._close_ups(films, before, max_move=MAX_MOVE)
        followed: dict[Place, Detections] = {}
        for place, faces in near.items():
            seen = [face for face in faces if face is not None]
            if len(seen) == len(faces) and not _has_duplicates(seen):
                followed[place] = _joined(seen)
        return followed

    def _close_ups(
        self,
        films: Sequence[np.ndarray],
        expected: dict[Place, Detections],
        *,
        max_move: float,
    ) -> dict[Place, list[Detections | None]]:
        """Find the expected faces of frames in close-ups.

        A face is the nearest one to its expected place that has moved by at most
        `max_move` sides. Otherwise it is None. Frames with more than MAX_FOLLOWED faces
        are left out.
        """
        places = [
            p for p, faces in expected.items() if len(faces.boxes) <= MAX_FOLLOWED
        ]
        tasks = [(place, box) for place in places for box in expected[place].boxes]
        near: dict[Place, list[Detections | None]] = {place: [] for place in places}
        at_once = self.batches.close_ups
        for start in range(0, len(tasks), at_once):
            batch = tasks[start : start + at_once]
            cuts = [close_up_of(box) for _, box in batch]
            frames = [films[film][number] for (film, number), _ in batch]
            pictures = np.stack(
                [cut.cut(frame) for cut, frame in zip(cuts, frames, strict=True)]
            )
            seen = self._run(pictures, at_once, (CLOSE_UP, CLOSE_UP))
            for (place, box), cut, frame, one in zip(
                batch, cuts, frames, seen, strict=True
            ):
                height, width = frame.shape[:2]
                boxes = cut.to_frame(one.boxes.reshape(-1, 2, 2))
                boxes = np.clip(boxes, 0, [width, height]).reshape(-1, 4)
                faces = Detections(
                    boxes.astype(np.float32), one.scores, cut.to_frame(one.landmarks)
                )
                near[place].append(_nearest(faces, box, max_move))
        return near

    def _run(
        self,
        pictures: np.ndarray,
        batch_size: int,
        size: tuple[int, int],
        threshold: float | None = None,
    ) -> list[Detections]:
        """The faces in pictures (N, H, W, 3), N at most `batch_size`.

        `size` is (height, width) without padding. `threshold` is as for `search`.
        """
        lowest = self.threshold if threshold is None else threshold
        count = len(pictures)
        if self.batches.padded:
            empty = batch_size - count
            pictures = np.pad(pictures, [(0, empty), (0, 0), (0, 0), (0, 0)])
        with torch.inference_mode():
            images = torch.from_numpy(pictures).to(self.device)
            outputs = self.network(images.permute(0, 3, 1, 2).float())
            return decode(outputs, lowest, size)[:count]


def _row(found: Detections, row: int) -> Detections:
    """One of the faces of a frame."""
    return _rows(found, np.array([row]))


def _rows(found: Detections, which: np.ndarray) -> Detections:
    """Some of the faces of a frame."""
    return Detections(found.boxes[which], found.scores[which], found.landmarks[which])


def _joined(faces: list[Detections]) -> Detections:
    """Join at least one face of a frame. The most certain one comes first."""
    scores = np.concatenate([face.scores for face in faces])
    order = np.argsort(-scores, kind="stable")
    return Detections(
        np.concatenate([face.boxes for face in faces])[order],
        scores[order],
        np.concatenate([face.landmarks for face in faces])[order],
    )


def _nearest(
    found: Detections, expected: np.ndarray, max_move: float
) -> Detections | None:
    """The face that is nearest to an expected box (4,) px; None if none is near."""
    side = np.maximum(*(expected[2:] - expected[:2]))
    sides = np.maximum(*(found.boxes[:, 2:] - found.boxes[:, :2]).T)
    apart = (found.boxes[:, :2] + found.boxes[:, 2:] - expected[:2] - expected[2:]) / 2
    distance = np.linalg.norm(apart, axis=1)
    possible = (sides < MAX_GROWTH * side) & (side < MAX_GROWTH * sides)
    possible &= distance <= max_move * side
    if not possible.any():
        return None
    return _row(found, int(np.where(possible, distance, np.inf).argmin()))


def _has_duplicates(faces: list[Detections]) -> bool:
    """Whether the centre of one of these faces is inside of another one."""
    boxes = np.concatenate([face.boxes for face in faces])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (boxes[:, None, :2] < centres) & (centres < boxes[:, None, 2:])
    return bool(inside.all(2).sum() > len(boxes))
