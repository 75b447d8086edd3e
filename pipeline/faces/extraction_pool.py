"""Extract the faces of many videos, in worker processes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2

from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.face_detector import BoxCalibration, FaceDetector
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.detection.service import LentDetector, lending
from pipeline.faces.extraction import extract_video
from pipeline.faces.video_faces import VideoFaces, from_arrays, to_arrays
from pipeline.files.checksums import verify
from pipeline.files.finished_parts import FinishedParts
from pipeline.videos.status import RETRYABLE_STATUSES
from pipeline.videos.workers import Failure, in_workers


@dataclass(frozen=True)
class Task:
    """A video below `root`, its mask ("" where there is none), and what is known."""

    root: Path
    video: str
    mask: str
    checksums: dict[str, str]  # SHA-256 by name; a file that was missing has none


@dataclass(frozen=True)
class _Job:
    task: Task
    config: FacesConfig
    lender: tuple[str, BoxCalibration] | None  # of a detector that workers share


def extract_all(
    tasks: Iterable[Task], config: FacesConfig, workers: int
) -> Iterator[VideoFaces]:
    """What each video gives, in order.

    Workers decode, crop, and find faces on the CPU; a detector that needs the device
    stays in this process, which batches the frames of all workers. Raises ChecksumError
    for a file that changed since its checksum was taken.
    """
    with _lender(config) as lender:
        jobs = (_Job(task, config, lender) for task in tasks)
        for result in in_workers(_extract, jobs, workers, config.time_limit):
            if isinstance(result, Failure):
                result = VideoFaces(result.status, result.reason)
            yield result


def extract_rest(
    tasks: list[Task], config: FacesConfig, workers: int, parts: FinishedParts
) -> Iterator[VideoFaces]:
    """What each video gives, in order; what an earlier try has found is taken up."""
    there = [task.video in parts for task in tasks]
    todo = [task for task, done in zip(tasks, there, strict=True) if not done]
    results = extract_all(todo, config, workers)
    for task, done in zip(tasks, there, strict=True):
        if done:
            yield from_arrays(parts.load(task.video))
            continue
        faces = next(results)
        if faces.status not in RETRYABLE_STATUSES:
            parts.save(task.video, to_arrays(faces))
        yield faces


def known_sums(video: dict[str, str], sums: dict[str, str]) -> dict[str, str]:
    """Those of a shard's checksums that are a video's and its mask's."""
    return {n: sums[n] for n in (video["path"], video["mask"]) if n in sums}


@contextmanager
def _lender(config: FacesConfig) -> Iterator[tuple[str, BoxCalibration] | None]:
    if config.detector == "haar":
        yield None
        return
    from pipeline.faces.detection.retinaface import RetinaFaceDetector

    detector = RetinaFaceDetector(Path(str(config.retinaface_weights)))
    with lending(detector) as address:
        yield address, detector.calibration


def _extract(job: _Job) -> VideoFaces:
    """A worker's job."""
    task = job.task
    for name in filter(None, (task.video, task.mask)):
        verify(task.root, name, task.checksums)
    mask = task.root / task.mask if task.mask else None
    detector = _detector(job.config.min_face, job.lender)
    return extract_video(task.root / task.video, mask, detector, job.config)


@lru_cache(maxsize=1)
def _detector(
    min_face: float, lender: tuple[str, BoxCalibration] | None
) -> FaceDetector:
    """The worker's detector, made once."""
    cv2.setNumThreads(1)  # workers run side by side
    return LentDetector(*lender) if lender else HaarDetector(min_face)
