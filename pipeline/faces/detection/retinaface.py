"""RetinaFace (Deng et al. 2020) of the retina-face package, on batches."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.faces.detection.face_detector import BoxCalibration, Detections
from pipeline.files.weights import read_weights
from pipeline.runtime.devices import pick_device

os.environ["DEEPFACE_BACKEND_ENGINE"] = "pytorch"
from retinaface.commons import postprocess
from retinaface.model.retinaface_pth_model import RetinaFace

# Anchor boxes (left, top, right, bottom px) about a cell, by the cells' stride.
ANCHORS = {
    32: ((-248.0, -248.0, 263.0, 263.0), (-120.0, -120.0, 135.0, 135.0)),
    16: ((-56.0, -56.0, 71.0, 71.0), (-24.0, -24.0, 39.0, 39.0)),
    8: ((-8.0, -8.0, 23.0, 23.0), (0.0, 0.0, 15.0, 15.0)),
}


class RetinaFaceDetector:
    """The package's network and post-processing; batching and device are ours."""

    calibration = BoxCalibration(scale=1.0, shift=0.0)  # not measured yet
    short_side, long_side = 1024, 1980  # px that frames are scaled to, as trained
    threshold, overlap = 0.9, 0.4  # score kept from; overlap of two boxes of one face

    def __init__(self, weights: Path | None) -> None:
        """`weights` is a file as the package names it; None leaves random weights."""
        self.device = pick_device()
        self.half = self.device.type == "cuda"
        self.batch_size = 16 if self.half else 4
        network = RetinaFace()
        if weights is not None:
            network.load_state_dict(read_weights(weights))
        self.network = network.eval().requires_grad_(False).to(self.device)

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See Detector.

        Batches are always full: their size decides how a GPU rounds, and what is found
        in a frame must not hang on how many others came with it.
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
            self._finish(*faces, size, scale) for faces in self._sure(outputs, size)
        ]

    def _sure(
        self, outputs: list[torch.Tensor], size: tuple[int, int]
    ) -> list[tuple[np.ndarray, ...]]:
        """What the network is sure of: for each frame, of n anchors, scores (n,),
        anchors (n, 4), box deltas (n, 4) and landmark deltas (n, 5, 2).

        Nearly all anchors are dropped here, on the device.
        """
        levels = [outputs[3 * level : 3 * level + 3] for level in range(len(ANCHORS))]
        batch = len(outputs[0])
        kinds = len(next(iter(ANCHORS.values())))
        flat = [
            torch.cat([level[k].float().reshape(batch, -1, last) for level in parts], 1)
            for k, last, parts in (
                (0, 1, [(scores[..., kinds:],) for scores, _, _ in levels]),
                (1, 4, levels),
                (2, 10, levels),
            )
        ]
        anchors = _anchors(tuple(tuple(level[1].shape[1:3]) for level in levels))
        sure = (flat[0][..., 0] >= self.threshold).cpu().numpy()
        frame, anchor = np.nonzero(sure)
        where = torch.as_tensor(frame), torch.as_tensor(anchor)
        scores, deltas, points = (part[where].cpu().numpy() for part in flat)
        return [
            (
                scores[frame == k, 0],
                anchors[anchor[frame == k]],
                deltas[frame == k],
                points[frame == k].reshape(-1, 5, 2),
            )
            for k in range(batch)
        ]

    def _finish(
        self,
        scores: np.ndarray,
        anchors: np.ndarray,
        deltas: np.ndarray,
        points: np.ndarray,
        size: tuple[int, int],
        scale: float,
    ) -> Detections:
        """One frame's faces, each once, in px of the frame."""
        order = scores.argsort()[::-1]
        scores, anchors = scores[order], anchors[order]
        boxes = postprocess.bbox_pred(anchors, deltas[order])
        boxes = postprocess.clip_boxes(boxes, size) / scale
        points = postprocess.landmark_pred(anchors, points[order]) / scale
        ranked = np.hstack([boxes, scores[:, None]]).astype(np.float32)
        keep = postprocess.cpu_nms(ranked, self.overlap) if len(ranked) else []
        return Detections(
            boxes[keep].astype(np.float32).reshape(-1, 4),
            scores[keep].astype(np.float32),
            points[keep].astype(np.float32).reshape(-1, 5, 2),
        )


@lru_cache(maxsize=4)
def _anchors(grids: tuple[tuple[int, int], ...]) -> np.ndarray:
    """All anchors of frames whose levels have these (rows, columns), (A, 4) px."""
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
