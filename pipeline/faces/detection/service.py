"""Lend one detector, and the GPU that it holds, to several worker processes.

Workers hand their frames over in shared memory that has no name and goes with the last
process that holds it: one killed at any moment leaves nothing behind.
"""

import mmap
import multiprocessing
import os
import queue
import threading
from collections.abc import Iterator
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

GONE = (OSError, EOFError, RuntimeError, AuthenticationError)  # a worker that died


class LentDetector:
    """The worker's side; see pipeline.faces.detection.face_detector.FaceDetector."""

    def __init__(self, address: str, calibration: BoxCalibration) -> None:
        self.calibration = calibration
        self.lender = Client(address, "AF_UNIX", authkey=_key())

    def detect(self, frames: np.ndarray) -> list[Detections]:
        """See FaceDetector."""
        memory = os.memfd_create("frames")
        try:
            os.truncate(memory, frames.nbytes)
            with mmap.mmap(memory, frames.nbytes) as shared:
                shared[:] = np.ascontiguousarray(frames).data.cast("B")
            self.lender.send(frames.shape)
            reduction.send_handle(self.lender, memory, None)
        finally:
            os.close(memory)
        found = self.lender.recv()
        if isinstance(found, Exception):
            raise found
        return found


@contextmanager
def lending(detector: FaceDetector) -> Iterator[str]:
    """Serve `detector` from threads; yields the address that a LentDetector needs."""
    waiting: queue.Queue[tuple[np.ndarray, Connection]] = queue.Queue(maxsize=64)
    with Listener(family="AF_UNIX", authkey=_key(), backlog=64) as listener:
        for work, *args in ((_answer, detector, waiting), (_admit, listener, waiting)):
            threading.Thread(target=work, args=args, daemon=True).start()
        yield str(listener.address)


def _key() -> bytes:
    return bytes(multiprocessing.current_process().authkey)


def _admit(listener: Listener, waiting: queue.Queue) -> None:
    """Give each worker that connects a thread that takes in its frames."""
    while True:
        try:
            worker = listener.accept()
        except GONE:
            if listener._listener is None:  # closed: the job is done
                return
            continue
        threading.Thread(target=_take_in, args=(worker, waiting), daemon=True).start()


def _take_in(worker: Connection, waiting: queue.Queue) -> None:
    with suppress(*GONE):
        while True:
            shape = worker.recv()
            memory = reduction.recv_handle(worker)
            size = int(np.prod(shape))
            shared = mmap.mmap(memory, size)  # freed with the last array on it
            os.close(memory)
            waiting.put((np.frombuffer(shared, np.uint8).reshape(shape), worker))


def _answer(detector: FaceDetector, waiting: queue.Queue) -> None:
    """Detect in all frames that wait, those of one size together."""
    while True:
        requests = [waiting.get()]
        with suppress(queue.Empty):
            while True:
                requests.append(waiting.get_nowait())
        requests.sort(key=lambda request: request[0].shape[1:])
        for _, group in groupby(requests, key=lambda request: request[0].shape[1:]):
            _answer_together(detector, list(group))


def _answer_together(
    detector: FaceDetector, requests: list[tuple[np.ndarray, Connection]]
) -> None:
    """Detect in the frames of several workers, which are of one size."""
    counts = [len(frames) for frames, _ in requests]
    try:
        found = detector.detect(np.concatenate([frames for frames, _ in requests]))
        ends = np.cumsum(counts)
        answers = [found[end - n : end] for end, n in zip(ends, counts, strict=True)]
    except Exception as error:  # the workers' to raise: it stops the job
        answers = [error] * len(requests)
    for (_, worker), answer in zip(requests, answers, strict=True):
        with suppress(*GONE):
            worker.send(answer)
