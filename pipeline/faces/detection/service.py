"""Serve one face detector, which uses the GPU, to several worker processes.

Workers pass frames in shared memory without a name. The system frees it when the last
process that uses it ends, so a killed process leaves nothing behind.
"""

import mmap
import multiprocessing
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from multiprocessing import AuthenticationError, reduction
from multiprocessing.connection import Client, Connection, Listener

import numpy as np

from pipeline.faces.detection.face_detector import (
    BoxCalibration,
    Detections,
    FaceDetector,
)

# Errors of a connection whose worker has ended.
LOST_WORKER_ERRORS = (OSError, EOFError, RuntimeError, AuthenticationError)


# Frames of one size, and the worker that waits for their detections.
Request = tuple[np.ndarray, Connection]


class RemoteDetector:
    """A `FaceDetector` in a worker, which sends frames to `serve_detector`."""

    def __init__(self, address: str, calibration: BoxCalibration) -> None:
        self.calibration = calibration
        self.server = Client(address, "AF_UNIX", authkey=_key())

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`. Raises the exception of the served detector."""
        memory = os.memfd_create("frames")
        try:
            os.truncate(memory, frames.nbytes)
            with mmap.mmap(memory, frames.nbytes) as shared:
                shared[:] = np.ascontiguousarray(frames).data.cast("B")
            self.server.send(frames.shape)
            reduction.send_handle(self.server, memory, None)
        finally:
            os.close(memory)
        answer: list[Detections] | Exception = self.server.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def serve_detector(detector: FaceDetector) -> Iterator[str]:
    """Serve `detector` from threads. Yields the address that a RemoteDetector needs."""
    requests: queue.Queue[Request] = queue.Queue(maxsize=64)
    closed = threading.Event()
    with Listener(family="AF_UNIX", authkey=_key(), backlog=64) as listener:
        threading.Thread(target=_answer, args=(detector, requests), daemon=True).start()
        args = (listener, requests, closed)
        threading.Thread(target=_accept_workers, args=args, daemon=True).start()
        try:
            yield str(listener.address)
        finally:
            closed.set()


def _key() -> bytes:
    return bytes(multiprocessing.current_process().authkey)


def _accept_workers(
    listener: Listener, requests: queue.Queue[Request], closed: threading.Event
) -> None:
    """Start a thread for each worker that connects. It receives the worker's frames."""
    while not closed.is_set():
        try:
            worker = listener.accept()
        except LOST_WORKER_ERRORS:
            continue
        args = (worker, requests)
        threading.Thread(target=_receive_frames, args=args, daemon=True).start()


def _receive_frames(worker: Connection, requests: queue.Queue[Request]) -> None:
    with suppress(*LOST_WORKER_ERRORS):
        while True:
            shape = worker.recv()
            memory = reduction.recv_handle(worker)
            size = int(np.prod(shape))
            shared = mmap.mmap(memory, size)  # freed with the last array that uses it
            os.close(memory)
            requests.put((np.frombuffer(shared, np.uint8).reshape(shape), worker))


def _answer(detector: FaceDetector, requests: queue.Queue[Request]) -> None:
    """Answer all requests that wait. Frames of the same size are detected together."""
    while True:
        waiting = [requests.get()]
        with suppress(queue.Empty):
            while True:
                waiting.append(requests.get_nowait())
        waiting.sort(key=_frame_size)
        for _, group in groupby(waiting, key=_frame_size):
            _answer_together(detector, list(group))


def _frame_size(request: Request) -> tuple[int, ...]:
    return request[0].shape[1:]


def _answer_together(detector: FaceDetector, requests: list[Request]) -> None:
    """Answer requests of several workers whose frames have the same size."""
    answers: Sequence[list[Detections] | Exception]
    counts = [len(frames) for frames, _ in requests]
    try:
        found = detector.detect(np.concatenate([frames for frames, _ in requests]))
        ends = np.cumsum(counts)
        answers = [found[end - n : end] for end, n in zip(ends, counts, strict=True)]
    except Exception as error:  # each worker raises it, which stops the job
        answers = [error] * len(requests)
    for (_, worker), answer in zip(requests, answers, strict=True):
        with suppress(*LOST_WORKER_ERRORS):
            worker.send(answer)
