"""RetinaFace (Deng et al. 2020), the network of the retina-face package, in batches."""

import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.faces.detection.calibration import CALIBRATIONS
from pipeline.faces.detection.face_detector import Detections
from pipeline.faces.detection.shrinking import enlarge, shrink
from pipeline.files.weights import read_weights
from pipeline.runtime.devices import pick_device

os.environ["DEEPFACE_BACKEND_ENGINE"] = "pytorch"
from retinaface.commons import postprocess
from retinaface.model.retinaface_pth_model import RetinaFace

# Anchor boxes (left, top, right, bottom in px) around a cell, by the stride of cells.
ANCHORS = {
    32: ((-248.0, -248.0, 263.0, 263.0), (-120.0, -120.0, 135.0, 135.0)),
    16: ((-56.0, -56.0, 71.0, 71.0), (-24.0, -24.0, 39.0, 39.0)),
    8: ((-8.0, -8.0, 23.0, 23.0), (0.0, 0.0, 15.0, 15.0)),
}


class _Candidates(NamedTuple):
    """The n anchors of one frame whose score is at least the threshold."""

    scores: np.ndarray  # (n,) float32
    anchors: np.ndarray  # (n, 4) float32 px
    deltas: np.ndarray  # (n, 4) float32: from anchors to boxes
    points: np.ndarray  # (n, 5, 2) float32: from anchors to landmarks


class RetinaFaceDetector:
    """The network and the post-processing of the retina-face package, in batches.

    The package enlarges frames until their sides are 1024 to 1980 px. We never enlarge
    them: the network was trained on pictures of 640 px, an enlarged 640x480 frame takes
    4.6 times as long, and it shows nothing more. Faces of 20 px are found without it.
    """

    calibration = CALIBRATIONS["retinaface"]
    threshold, overlap = 0.9, 0.4  # smallest score; largest overlap of two faces

    def __init__(self, weights: Path | None, max_side: int) -> None:
        """Load the network.

        `weights` is `retinaface.pth` of the package; None takes random weights.
        `max_side` px is the longest side of a frame; larger frames are shrunk.
        """
        self.max_side = max_side
        self.device = pick_device()
        self.half = self.device.type == "cuda"
        self.batch_size = 16 if self.half else 4
        network = RetinaFace()
        if weights is not None:
            network.load_state_dict(read_weights(weights))
        self.network = network.eval().requires_grad_(False).to(self.device)

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`."""
        small = shrink(frames, self.max_side)
        (found,) = self.detect_films([small])
        return [enlarge(one, small, frames) for one in found]

    def detect_films(self, films: Sequence[np.ndarray]) -> list[list[Detections]]:
        """Find the faces in the frames of each film, (N, H, W, 3) uint8 RGB.

        Frames of the same size are detected together. Batches are padded to the full
        size. The size of a batch decides how a GPU rounds, and the result for a frame
        must not depend on the number of others.
        """
        found: dict[int, list[Detections]] = {}
        for size in {film.shape[1:] for film in films}:
            group = [k for k, film in enumerate(films) if film.shape[1:] == size]
            frames = np.concatenate([films[k] for k in group])
            starts = range(0, len(frames), self.batch_size)
            batches = (frames[start : start + self.batch_size] for start in starts)
            results = chain.from_iterable(map(self._detect_batch, batches))
            found |= {k: [next(results) for _ in films[k]] for k in group}
        return [found[k] for k in range(len(films))]

    @torch.inference_mode()
    def _detect_batch(self, frames: np.ndarray) -> list[Detections]:
        """The faces in frames (B, H, W, 3), B at most `batch_size`."""
        count, height, width, _ = frames.shape
        padding = [(0, self.batch_size - count), *[(0, 0)] * 3]
        pixels = torch.from_numpy(np.pad(frames, padding)).to(self.device).float()
        with torch.autocast(self.device.type, torch.float16, enabled=self.half):
            outputs = self.network(pixels)
        return [
            self._finish(candidates, (height, width))
            for candidates in self._candidates(outputs)[:count]
        ]

    def _candidates(self, outputs: list[torch.Tensor]) -> list[_Candidates]:
        """The candidates of each frame. The device drops nearly all anchors."""
        levels = [outputs[3 * level : 3 * level + 3] for level in range(len(ANCHORS))]
        batch = len(outputs[0])
        shapes = len(next(iter(ANCHORS.values())))  # anchors of each cell
        flat = [
            torch.cat([level[k].float().reshape(batch, -1, last) for level in parts], 1)
            for k, last, parts in (
                (0, 1, [(scores[..., shapes:],) for scores, _, _ in levels]),
                (1, 4, levels),
                (2, 10, levels),
            )
        ]
        anchors = _anchors(tuple(tuple(level[1].shape[1:3]) for level in levels))
        certain = (flat[0][..., 0] >= self.threshold).cpu().numpy()
        frame, anchor = np.nonzero(certain)
        where = torch.as_tensor(frame), torch.as_tensor(anchor)
        scores, deltas, points = (part[where].cpu().numpy() for part in flat)
        return [
            _Candidates(
                scores[frame == k, 0],
                anchors[anchor[frame == k]],
                deltas[frame == k],
                points[frame == k].reshape(-1, 5, 2),
            )
            for k in range(batch)
        ]

    def _finish(self, candidates: _Candidates, size: tuple[int, int]) -> Detections:
        """The faces of one frame of `size` (height, width) px, without duplicates."""
        order = candidates.scores.argsort()[::-1]
        scores, anchors, deltas, points = (values[order] for values in candidates)
        boxes = postprocess.bbox_pred(anchors, deltas)
        boxes = postprocess.clip_boxes(boxes, size)
        points = postprocess.landmark_pred(anchors, points)
        ranked = np.hstack([boxes, scores[:, None]]).astype(np.float32)
        keep = postprocess.cpu_nms(ranked, self.overlap) if len(ranked) else []
        return Detections(
            boxes[keep].astype(np.float32).reshape(-1, 4),
            scores[keep].astype(np.float32),
            points[keep].astype(np.float32).reshape(-1, 5, 2),
        )


@lru_cache(maxsize=4)
def _anchors(grids: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The anchors (A, 4) px of a frame whose levels have these (rows, columns)."""
    return np.concatenate(
        [
            postprocess.anchors_plane(
                rows, columns, stride, np.array(shapes, np.float32)
            ).reshape(-1, 4)
            for (stride, shapes), (rows, columns) in zip(
                ANCHORS.items(), grids, strict=True
            )
        ]
    )
