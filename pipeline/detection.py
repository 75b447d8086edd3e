"""Find faces in batches of frames."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.config.faces import FacesConfig


@dataclass(frozen=True)
class Detections:
    """Faces found in one frame; K may be 0."""

    boxes: np.ndarray  # (K, 4) float32: left, top, right, bottom in px
    scores: np.ndarray  # (K,) float32, higher is surer; scale hangs on the detector
    landmarks: np.ndarray  # (K, 5, 2) float32 px: eyes, nose, mouth corners; or NaN


@dataclass(frozen=True)
class Calibration:
    """How a detector's box differs from dlib's, which FaceForensics++ crops by.

    Dlib's box has `scale` times the side, and its centre lies `shift` sides lower.
    """

    scale: float
    shift: float


class Detector(Protocol):
    """Anything that finds faces."""

    calibration: Calibration

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """Find the faces of each of `frames`, (N, H, W, 3) uint8 RGB."""
        ...


def make_detector(config: FacesConfig) -> Detector:
    """The detector that the configuration names."""
    if config.detector == "retinaface":
        return RetinaFaceDetector(Path(str(config.retinaface_weights)))
    return HaarDetector(config.min_face)


class HaarDetector:
    """The Haar cascade `frontalface_alt2` inside OpenCV's wheel, on the CPU."""

    # Measured on 144 frames of real clips against dlib's boxes.
    calibration = Calibration(scale=1 / 1.11, shift=0.08)

    def __init__(self, min_face: int) -> None:
        folder = Path(cv2.data.haarcascades)
        self.min_size = (min_face, min_face)
        self.cascade = cv2.CascadeClassifier(
            str(folder / "haarcascade_frontalface_alt2.xml")
        )

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See Detector."""
        return [self._detect_one(frame) for frame in frames]

    def _detect_one(self, frame: np.ndarray) -> Detections:
        found, _, weights = self.cascade.detectMultiScale3(
            cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY),
            scaleFactor=1.1,
            minNeighbors=3,
            minSize=self.min_size,
            outputRejectLevels=True,
        )
        boxes = np.array(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array(weights, np.float32).reshape(-1)
        return Detections(boxes, scores, np.full((len(boxes), 5, 2), np.nan, "f4"))


class RetinaFaceDetector:
    """RetinaFace (Deng et al. 2020) of the retina-face package, on batches.

    The package's network and post-processing; the batching and the device are ours.
    """

    calibration = Calibration(scale=1.0, shift=0.0)  # not measured yet
    batch_size = 16  # frames in a forward pass
    short_side, long_side = 1024, 1980  # px that frames are scaled to, as trained
    threshold, overlap = 0.9, 0.4  # score kept from; overlap of two boxes of one face
    anchors = {
        32: ((-248.0, -248.0, 263.0, 263.0), (-120.0, -120.0, 135.0, 135.0)),
        16: ((-56.0, -56.0, 71.0, 71.0), (-24.0, -24.0, 39.0, 39.0)),
        8: ((-8.0, -8.0, 23.0, 23.0), (0.0, 0.0, 15.0, 15.0)),
    }

    def __init__(self, weights: Path | None) -> None:
        os.environ["DEEPFACE_BACKEND_ENGINE"] = "pytorch"
        import torch
        from retinaface.model.retinaface_pth_model import RetinaFace

        from pipeline.devices import pick_device
        from pipeline.weights import read_weights

        self.device = pick_device()
        network = RetinaFace()
        if weights is not None:
            network.load_state_dict(read_weights(weights))
        self.network = network.eval().requires_grad_(False).to(self.device)
        self.torch = torch

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See Detector."""
        height, width = frames.shape[1:3]
        short, long = min(height, width), max(height, width)
        scale = min(self.short_side / short, self.long_side / long)
        found: list[Detections] = []
        for start in range(0, len(frames), self.batch_size):
            batch = [
                cv2.resize(frame, None, fx=scale, fy=scale)
                for frame in frames[start : start + self.batch_size]
            ]
            pixels = self.torch.from_numpy(np.stack(batch)).to(self.device).float()
            with self.torch.inference_mode():
                outputs = [o.cpu().numpy() for o in self.network(pixels)]
            size = batch[0].shape[:2]
            for index in range(len(batch)):
                one = [output[index : index + 1] for output in outputs]
                found.append(self._decode(one, size, scale))
        return found

    def _decode(
        self, outputs: list[np.ndarray], size: tuple[int, int], scale: float
    ) -> Detections:
        """Boxes and landmarks of one image from the network's nine outputs."""
        from retinaface.commons import postprocess

        parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for level, (stride, shapes) in enumerate(self.anchors.items()):
            scores, deltas, points = outputs[3 * level : 3 * level + 3]
            kinds, (rows, columns) = len(shapes), deltas.shape[1:3]
            grid = postprocess.anchors_plane(
                rows, columns, stride, np.array(shapes, np.float32)
            ).reshape(-1, 4)
            scores = scores[..., kinds:].reshape(-1)
            keep = scores >= self.threshold
            boxes = postprocess.bbox_pred(grid, deltas.reshape(-1, 4))
            boxes = postprocess.clip_boxes(boxes, size)[keep] / scale
            points = postprocess.landmark_pred(grid, points.reshape(-1, 5, 2))[keep]
            parts.append((boxes, scores[keep], points / scale))
        boxes, scores, points = (np.concatenate(p) for p in zip(*parts, strict=True))
        order = scores.argsort()[::-1]
        boxes, scores, points = boxes[order], scores[order], points[order]
        ranked = np.hstack([boxes, scores[:, None]]).astype(np.float32)
        keep = postprocess.cpu_nms(ranked, self.overlap) if len(ranked) else []
        return Detections(
            boxes[keep].astype(np.float32).reshape(-1, 4),
            scores[keep].astype(np.float32),
            points[keep].astype(np.float32).reshape(-1, 5, 2),
        )
