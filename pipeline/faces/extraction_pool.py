"""Extract the faces of many videos, in worker processes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.face_detector import BoxCalibration, FaceDetector
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.detection.service import RemoteDetector, serve_detector
from pipeline.faces.extraction import MaskVideos, extract_video
from pipeline.faces.video_faces import VideoFaces, from_arrays, to_arrays
from pipeline.files.checksums import verify
from pipeline.files.finished_parts import FinishedParts
from pipeline.videos.status import RETRYABLE_STATUSES
from pipeline.videos.workers import Failure, run_in_workers

if TYPE_CHECKING:
    from pipeline.faces.detection.centerface import CenterFaceDetector
    from pipeline.faces.detection.retinaface import RetinaFaceDetector


@dataclass(frozen=True)
class Task:
    """A video to extract: its path and those of its masks, all below `root`.

    `mask`, `subject_mask` and `is_fake` are as in `MaskVideos`; "" stands for None.
    """

    root: Path
    video: str
    mask: str
    checksums: dict[str, str]  # SHA-256 by path; a file that was missing has none
    subject_mask: str = ""
    is_fake: bool = False


# What a RemoteDetector needs: address, calibration, and longest side of frames in px.
DetectorServer = tuple[str, BoxCalibration, int]


@dataclass(frozen=True)
class _Job:
    task: Task
    config: FacesConfig
    server: DetectorServer | None


def extract_all(
    tasks: Iterable[Task], config: FacesConfig, workers: int
) -> Iterator[VideoFaces]:
    """Extract the faces of each video, in the order of `tasks`.

    Worker processes decode and crop. The Haar cascade also runs there. A network that
    finds faces runs in this process: on a GPU with the frames of all workers together,
    on a CPU in one thread for each worker. A worker waits for it, so that `workers`
    cores are used. Raises ChecksumError if a file changed since its checksum was taken.
    """
    with _shared_detector(config, workers) as server:
        jobs = (_Job(task, config, server) for task in tasks)
        for result in run_in_workers(_extract, jobs, workers, config.time_limit):
            if isinstance(result, Failure):
                result = VideoFaces(result.status, result.reason)
            yield result


def resume_extraction(
    tasks: list[Task], config: FacesConfig, workers: int, parts: FinishedParts
) -> Iterator[VideoFaces]:
    """As `extract_all`, but results of an earlier attempt in `parts` are used.

    New results are saved in `parts`, unless another attempt may change them.
    """
    finished = [task.video in parts for task in tasks]
    todo = [task for task, done in zip(tasks, finished, strict=True) if not done]
    results = extract_all(todo, config, workers)
    for task, done in zip(tasks, finished, strict=True):
        if done:
            yield from_arrays(parts.load(task.video))
            continue
        faces = next(results)
        if faces.status not in RETRYABLE_STATUSES:
            parts.save(task.video, to_arrays(faces))
        yield faces


def checksums_of_video(video: dict[str, str], sums: dict[str, str]) -> dict[str, str]:
    """The checksums of a video and its masks, from all checksums of a shard."""
    files = (video["path"], video["mask"], video["subject_mask"])
    return {file: sums[file] for file in files if file in sums}


@contextmanager
def _shared_detector(
    config: FacesConfig, workers: int
) -> Iterator[DetectorServer | None]:
    """Serve a face detector that workers share; None if each worker has its own."""
    if config.detector == "haar":
        yield None
        return
    from pipeline.runtime.devices import use_cores

    detector = _network_detector(config)
    on_gpu = detector.device.type == "cuda"
    if not on_gpu:
        use_cores(1)  # for each thread
    with serve_detector(detector, threads=1 if on_gpu else workers) as address:
        yield address, detector.calibration, detector.max_side


def _network_detector(
    config: FacesConfig,
) -> "CenterFaceDetector | RetinaFaceDetector":
    """The configured face detector. Only here torch is imported, which takes long."""
    if config.detector == "centerface":
        from pipeline.faces.detection.centerface import CenterFaceDetector

        return CenterFaceDetector(config.detection_size, config.detection_threshold)
    from pipeline.faces.detection.retinaface import RetinaFaceDetector

    weights = Path(str(config.retinaface_weights))
    return RetinaFaceDetector(weights, config.detection_size)


def _extract(job: _Job) -> VideoFaces:
    """Extract one video in a worker process."""
    task = job.task
    # Another shard may fetch a subject mask that was not there for this one.
    shown = task.subject_mask if task.subject_mask in task.checksums else ""
    for name in filter(None, (task.video, task.mask, shown)):
        verify(task.root, name, task.checksums)
    own, subject = (task.root / name if name else None for name in (task.mask, shown))
    masks = MaskVideos(own, subject, task.is_fake)
    detector = _detector(job.config.min_face, job.server)
    return extract_video(task.root / task.video, masks, detector, job.config)


@lru_cache(maxsize=1)
def _detector(min_face: float, server: DetectorServer | None) -> FaceDetector:
    """The face detector of this worker, created once."""
    cv2.setNumThreads(1)  # other workers use the other cores
    return RemoteDetector(*server) if server else HaarDetector(min_face)
