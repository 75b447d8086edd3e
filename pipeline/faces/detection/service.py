"""Serve one face detector, which is a network, to several worker processes.

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
from multiprocessing import AuthenticationError, reduction
from multiprocessing.connection import Client, Connection, Listener
from typing import Protocol

import numpy as np

from pipeline.faces.detection.face_detector import BoxCalibration, Detections
from pipeline.faces.detection.shrinking import enlarge, shrink

# Errors of a connection whose worker has ended.
LOST_WORKER_ERRORS = (OSError, EOFError, RuntimeError, AuthenticationError)

# Shrunk frames of one video, and the worker that waits for their detections.
Request = tuple[np.ndarray, Connection]


class FilmDetector(Protocol):
    """A face detector that can be served."""

    def detect_films(self, films: Sequence[np.ndarray]) -> list[list[Detections]]:
        """Find the faces in the frames of each film, as `FaceDetector.detect` does.

        The frames of films may differ in size. They have no side that is longer than
        the `max_side` of the detector.
        """
        ...


class RemoteDetector:
    """A `FaceDetector` in a worker, which sends frames to `serve_detector`."""

    def __init__(
        self, address: str, calibration: BoxCalibration, max_side: int
    ) -> None:
        """Connect to the server. Frames are shrunk to `max_side` px before they are
        sent.
        """
        self.calibration, self.max_side = calibration, max_side
        self.server = Client(address, "AF_UNIX", authkey=_key())

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See `FaceDetector.detect`. Raises the exception of the served detector."""
        small = shrink(frames, self.max_side)
        return [enlarge(one, small, frames) for one in self._ask(small)]

    def _ask(self, frames: np.ndarray) -> list[Detections]:
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
def serve_detector(detector: FilmDetector, threads: int) -> Iterator[str]:
    """Serve `detector` from threads. Yields the address that a RemoteDetector needs.

    With one thread, it gets all films that wait at once: on a GPU, large batches are
    fast. With several threads, each gets one film at a time. On a CPU this is faster
    than one thread that computes on several cores, since decoders also need the cores.
    """
    requests: queue.Queue[Request] = queue.Queue(maxsize=64)
    closed = threading.Event()
    with Listener(family="AF_UNIX", authkey=_key(), backlog=64) as listener:
        most = 1 if threads > 1 else requests.maxsize
        for _ in range(threads):
            answering = (detector, requests, most)
            threading.Thread(target=_answer, args=answering, daemon=True).start()
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


def _answer(detector: FilmDetector, requests: queue.Queue[Request], most: int) -> None:
    """Answer requests that wait, at most `most` of them together."""
    while True:
        waiting = [requests.get()]
        with suppress(queue.Empty):
            while len(waiting) < most:
                waiting.append(requests.get_nowait())
        answers: Sequence[list[Detections] | Exception]
        try:
            answers = detector.detect_films([frames for frames, _ in waiting])
        except Exception as error:  # each worker raises it, which stops the job
            answers = [error] * len(waiting)
        for (_, worker), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, Exception):
                answer = RuntimeError(repr(answer))  # any other may not be picklable
            with suppress(*LOST_WORKER_ERRORS):
                worker.send(answer)
