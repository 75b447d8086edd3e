"""How many faces each detector finds, and how its boxes compare with those of dlib.

    python -m benchmarks.face_detectors PHOTOS [--faces FILE] [--retinaface WEIGHTS]

PHOTOS is a folder of photographs, each about as large as a frame of a video. Some of
them may show no face: they count false boxes. FILE is a table (CSV) of the faces in
them, with the columns photo (name of the file), left, top, right, bottom (px) and kind:

dlib     a face with the box of dlib's frontal detector, on the photograph enlarged
         twice, which is how FaceForensics++ found faces
other    a face that dlib does not find, with a box like those of dlib
unclear  what may or may not be called a face: neither missed nor false if it is found

Without --faces, dlib finds the faces. Then it must be installed, and its errors count
as errors of the detectors. RetinaFace is measured if its weights are given.

A box finds a face if its centre is in the box of the face, and if its longer side is
between 0.6 and 1.8 of the side of that box. Each box finds at most one face; all other
boxes are false. The calibration leaves out faces at the border of a photograph, where
some detectors cut boxes off. All is measured on one core, without a GPU.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import cv2
import numpy as np
import pandas as pd
import torch

from benchmarks.timing import timed
from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.centerface import CenterFaceDetector
from pipeline.faces.detection.face_detector import (
    GROUP_SIZE,
    Detections,
    FaceDetector,
)
from pipeline.faces.detection.haar import HaarDetector

DEFAULTS = FacesConfig()
MIN_RATIO, MAX_RATIO = 0.6, 1.8  # of the side of a box to that of dlib
SHARES = [0, 0.1, 0.15, 0.25, 0.5, np.inf]  # dlib's side / shorter side of the frame
TIMED_PHOTOS, TIMED_SIZE = 16, (1280, 720)
BOX = ["left", "top", "right", "bottom"]
Photos = Mapping[str, np.ndarray]  # name: (H, W, 3) uint8 RGB


def read_photos(folder: Path) -> Photos:
    """All pictures in a folder."""
    photos = {}
    for path in sorted(folder.iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            photos[path.name] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return photos


def dlib_faces(photos: Photos) -> pd.DataFrame:
    """The faces that dlib finds, as a table like that of --faces."""
    import dlib

    detector, rows = dlib.get_frontal_face_detector(), []
    for name, photo in photos.items():
        for box in detector(photo, 1):
            edges = box.left(), box.top(), box.right() + 1, box.bottom() + 1
            rows.append([name, *edges, "dlib"])
    return pd.DataFrame(rows, columns=["photo", *BOX, "kind"])


def compare(
    detector: FaceDetector, photos: Photos, faces: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    """Measure a detector.

    Returns the table of all faces that are not unclear, with the columns found, share,
    inside, ratio, shift and aside; and the number of false boxes.
    """
    rows, false = [], 0
    for name, photo in photos.items():
        known = faces[faces.photo == name]
        boxes = known[BOX].to_numpy(float)
        (found,) = detector.detect(photo[None])
        finder = _finders(boxes, found)
        false += len(found.boxes) - (finder >= 0).sum()
        for kind, box, number in zip(known.kind, boxes, finder, strict=True):
            if kind != "unclear":
                near = found.boxes[number] if number >= 0 else np.full(4, np.nan)
                rows.append({"kind": kind} | _compare_boxes(box, near, photo.shape))
    return pd.DataFrame(rows), int(false)


def _finders(boxes: np.ndarray, found: Detections) -> np.ndarray:
    """For each face (K, 4), the index of the box that finds it, or -1. The nearest
    pairs come first."""
    finder = np.full(len(boxes), -1)
    if not len(boxes) or not len(found.boxes):
        return finder
    centres, sides = _centres(boxes)[:, None], _sides(boxes)[:, None]
    away = np.abs(_centres(found.boxes) - centres) / sides[..., None]
    ratio = _sides(found.boxes) / sides
    possible = (away < 0.5).all(2) & (ratio > MIN_RATIO) & (ratio < MAX_RATIO)
    distance = np.where(possible, np.linalg.norm(away, axis=2), np.inf)
    while np.isfinite(distance).any():
        face, number = np.unravel_index(distance.argmin(), distance.shape)
        finder[face] = number
        distance[face], distance[:, number] = np.inf, np.inf
    return finder


def _compare_boxes(
    box: np.ndarray, near: np.ndarray, shape: tuple[int, ...]
) -> dict[str, float | bool]:
    """Compare the box of a face with the one that found it, which may be NaN."""
    height, width = shape[:2]
    side = _sides(box)
    both = np.stack([box, near])
    inside = (both[:, :2] > 1).all() and (both[:, 2:] < [width - 1, height - 1]).all()
    aside, shift = (_centres(box) - _centres(near)) / side
    return {
        "found": bool(np.isfinite(near).all()),
        "share": float(side / min(height, width)),
        "inside": bool(inside),
        "ratio": float(_sides(near) / side),
        "shift": float(shift),
        "aside": float(aside),
    }


def _centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _sides(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each box."""
    return (boxes[..., 2:] - boxes[..., :2]).max(-1)


def milliseconds(detector: FaceDetector, photos: Photos) -> tuple[float, float]:
    """Time for a single frame, and for each of eight equal frames of a video.

    The frames are photographs with black borders, 1280 x 720 px. Medians.
    """
    names = np.array(list(photos))
    chosen = names[np.linspace(0, len(names) - 1, TIMED_PHOTOS).round().astype(int)]
    frames = [_fit(photos[name])[None] for name in chosen]
    detector.detect(frames[0])
    single = [_cpu(detector, frame) for frame in frames]
    many = [_cpu(detector, np.repeat(frame, GROUP_SIZE, axis=0)) for frame in frames]
    return 1e3 * float(np.median(single)), 1e3 * float(np.median(many)) / GROUP_SIZE


def _cpu(detector: FaceDetector, frames: np.ndarray) -> float:
    """CPU seconds to find the faces in these frames."""
    return timed(lambda: detector.detect(frames), repeats=3).cpu


def _fit(photo: np.ndarray) -> np.ndarray:
    """Fit a photograph into a frame of TIMED_SIZE."""
    width, height = TIMED_SIZE
    scale = min(width / photo.shape[1], height / photo.shape[0])
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small[:height, :width]
    return frame


def summary(faces: pd.DataFrame, false: int) -> dict[str, object]:
    """A row of the table: how a detector compares with dlib."""
    of_dlib, others = faces[faces.kind == "dlib"], faces[faces.kind == "other"]
    measured = of_dlib[of_dlib.found & of_dlib.inside]
    return {
        "dlib's faces": f"{of_dlib.found.sum()} of {len(of_dlib)}",
        "other faces": f"{others.found.sum()} of {len(others)}",
        "false boxes": false,
        "side / dlib's": _quartiles(measured.ratio),
        "dlib is lower by": _quartiles(measured["shift"]),
        "scale": round(float((1 / measured.ratio).median()), 3),
        "shift": round(float(measured["shift"].median()), 3),
        "n": len(measured),
    }


def by_size(faces: pd.DataFrame) -> pd.DataFrame:
    """The same by the share of the frame that a face takes."""
    of_dlib = faces[faces.kind == "dlib"]
    groups = of_dlib.groupby(pd.cut(of_dlib.share, SHARES), observed=True)
    rows = {
        f"{size.left:g} to {size.right:g}": summary(group, 0) for size, group in groups
    }
    left_out = ["other faces", "false boxes"]
    return pd.DataFrame(rows).drop(index=left_out)


def _quartiles(values: pd.Series) -> str:
    """The median and the quartiles."""
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--retinaface", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    photos = read_photos(args.photos)
    faces = pd.read_csv(args.faces) if args.faces else dlib_faces(photos)
    detectors: dict[str, FaceDetector] = {
        "Haar": HaarDetector(DEFAULTS.min_face),
        "CenterFace": CenterFaceDetector(
            DEFAULTS.detection_size, DEFAULTS.detection_threshold
        ),
    }
    if args.retinaface:
        from pipeline.faces.detection.retinaface import RetinaFaceDetector

        detectors["RetinaFace"] = RetinaFaceDetector(
            args.retinaface, DEFAULTS.detection_size
        )
    counts = faces.kind.value_counts().to_dict()
    print(f"{len(photos)} photographs, faces: {counts}")
    table, sizes = {}, {}
    with_face = {n: photos[n] for n in faces.photo[faces.kind == "dlib"].unique()}
    for name, detector in detectors.items():
        measured, false = compare(detector, photos, faces)
        single, many = milliseconds(detector, with_face)
        times = {"ms, one frame": round(single), "ms, in a video": round(many, 1)}
        table[name] = summary(measured, false) | times
        sizes[name] = by_size(measured)
    print(pd.DataFrame(table).to_string())
    for name, rows in sizes.items():
        print(f"\n{name}, by dlib's side / shorter side of the frame")
        print(rows.to_string(), flush=True)


if __name__ == "__main__":
    main()
