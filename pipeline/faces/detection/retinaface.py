"""RetinaFace (Deng et al. 2020), the network of the retina-face package, in batches."""

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.faces.detection.face_detector import BoxCalibration, Detections
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
    """The network and the post-processing of the retina-face package, in batches."""

    calibration = BoxCalibration(scale=1.0, shift=0.0)  # not measured yet
    short_side, long_side = (
        1024,
        1980,
    )  # px: frames are scaled to this size, as in training
    threshold, overlap = 0.9, 0.4  # smallest score; largest overlap of two faces

    def __init__(self, weights: Path | None) -> None:
        """`weights` is `retinaface.pth` of the package; None takes random weights."""
        self.device = pick_device()
        self.half = self.device.type == "cuda"
        self.batch_size = 16 if self.half else 4
        network = RetinaFace()
        if weights is not None:
            network.load_state_dict(read_weights(weights))
        self.network = network.eval().requires_grad_(False).to(self.device)

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`.

        Batches are padded to the full size. The size of a batch decides how a GPU
        rounds, and the result for a frame must not depend on the number of others.
        """
        found: list[Detections] = []
        for start in range(0, len(frames), self.batch_size):
            batch = frames[start : start + self.batch_size]
            padding = [(0, self.batch_size - len(batch)), *[(0, 0)] * 3]
            found += self._detect_batch(np.pad(batch, padding))[: len(batch)]
        return found

    @torch.inference_mode()
    def _detect_batch(self, frames: np.ndarray) -> list[Detections]:
        height, width = frames.shape[1:3]
        short, long = min(height, width), max(height, width)
        scale = min(self.short_side / short, self.long_side / long)
        size = round(height * scale), round(width * scale)
        pixels = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float()
        pixels = F.interpolate(pixels, size, mode="bilinear")
        with torch.autocast(self.device.type, torch.float16, enabled=self.half):
            outputs = self.network(pixels.permute(0, 2, 3, 1))
        return [
            self._finish(candidates, size, scale)
            for candidates in self._candidates(outputs)
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

    def _finish(
        self, candidates: _Candidates, size: tuple[int, int], scale: float
    ) -> Detections:
        """The faces of one frame without duplicates, in px of the frame."""
        order = candidates.scores.argsort()[::-1]
        scores, anchors, deltas, points = (values[order] for values in candidates)
        boxes = postprocess.bbox_pred(anchors, deltas)
        boxes = postprocess.clip_boxes(boxes, size) / scale
        points = postprocess.landmark_pred(anchors, points) / scale
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
