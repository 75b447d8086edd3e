"""Work on videos in processes that may crash or hang without hurting the job.

Each worker has a pipe of its own, so that one that dies in the middle of a message
takes nothing with it but its task. Pools that share a queue among their workers were
tried: a death at the wrong moment stops them for a minute, or for ever.
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from signal import Signals
from typing import Any

from pipeline.videos.status import VideoStatus

RECYCLED_AFTER = 50  # videos: what libraries leak is given back
TRIES = 2  # of a task whose worker dies


@dataclass(frozen=True)
class Failure:
    """A task that gave no result: `status` is crashed or timeout, and why."""

    status: VideoStatus
    reason: str


def in_workers(
    work: Callable[[Any], Any], tasks: Iterable[Any], workers: int, time_limit: float
) -> Iterator[Any]:
    """Results of `work(task)`, or Failures, in the order of `tasks`.

    A task that kills its worker is tried once more; one that takes longer than
    `time_limit` seconds is killed. What `work` raises is raised here. Tasks are begun
    only as their results are taken, so few results wait in memory.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])  # imported once for all workers
    crew = [_Worker(context, work, time_limit) for _ in range(workers)]
    left, begun, taken = enumerate(tasks), 0, 0
    done: dict[int, Any] = {}
    try:
        while True:
            for worker in crew:
                if not worker.busy and begun - taken < 2 * workers:
                    begun += worker.begin(next(left, None))
            if taken == begun:
                return
            done.update(_finished(crew))
            while taken in done:
                yield done.pop(taken)
                taken += 1
    finally:
        for worker in crew:
            worker.stop()


def _named(task: tuple[int, Any] | None) -> str:
    """The file that a numbered task is about, or what there is of it."""
    assert task is not None
    return str(getattr(task[1], "path", task[1]))[:500]


def _finished(crew: list["_Worker"]) -> dict[int, Any]:
    """Wait for some worker; results of those that are done, by number of the task."""
    busy = [worker for worker in crew if worker.busy]
    soonest = min(worker.deadline for worker in busy)
    timeout = max(0.0, soonest - time.monotonic())
    ready = wait([worker.pipe for worker in busy], timeout)
    now, results = time.monotonic(), {}
    for worker in busy:
        if worker.pipe in ready:
            results.update(worker.result())
        elif now >= worker.deadline:
            results.update(worker.give_up())
    return results


class _Worker:
    """A process and the task that it is at; the process is begun anew when needed."""

    def __init__(
        self, context: ForkServerContext, work: Callable, time_limit: float
    ) -> None:
        self.context, self.work, self.time_limit = context, work, time_limit
        self.task: tuple[int, Any] | None = None
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        args = (self.work, theirs)
        self.process = self.context.Process(target=_serve, args=args, daemon=True)
        self.process.start()
        theirs.close()
        self.served, self.tries = 0, 0

    @property
    def busy(self) -> bool:
        return self.task is not None

    def begin(self, task: tuple[int, Any] | None) -> int:
        """Start on a numbered task, if there is one; returns how many were begun."""
        if task is None:
            return 0
        if self.served == RECYCLED_AFTER:
            self.stop()
            self._start()
        self.task, self.tries = task, 0
        self._try()
        return 1

    def _try(self) -> None:
        assert self.task is not None
        self.tries += 1
        self.deadline = time.monotonic() + self.time_limit
        try:
            self.pipe.send(self.task[1])
        except BrokenPipeError:  # it died idle; its end of the pipe will tell
            return

    def result(self) -> dict[int, Any]:
        """What the task gave, by its number; nothing where it is tried again."""
        try:
            result, error = self.pipe.recv()
        except (EOFError, OSError):
            return self._died()
        if error is not None:
            error.add_note(f"It came of {_named(self.task)}.")
            raise error
        self.served += 1
        return self._end(result)

    def _died(self) -> dict[int, Any]:
        self.process.join()
        death, tries = _death(self.process.exitcode or 0), self.tries
        self.pipe.close()
        self._start()
        if tries == TRIES:
            reason = f"its worker died, {tries} times: {death}"
            return self._end(Failure(VideoStatus.CRASHED, reason))
        self.tries = tries
        self._try()
        return {}

    def give_up(self) -> dict[int, Any]:
        """Kill the process; its task has run out of time."""
        self.stop()
        self._start()
        reason = f"took longer than {self.time_limit:g} s; see faces.time_limit"
        return self._end(Failure(VideoStatus.TIMEOUT, reason))

    def _end(self, result: Any) -> dict[int, Any]:
        assert self.task is not None
        number, self.task = self.task[0], None
        return {number: result}

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    """A worker's life: tasks come, answers go, until the other end is closed."""
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):  # the job is over, or was killed
            return
        try:
            answer = work(task), None
        except Exception as error:  # raised anew where the results are taken
            error.add_note(traceback.format_exc())
            answer = None, error
        try:
            pipe.send(answer)
        except BrokenPipeError:
            return


def _death(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    name = Signals(-code).name
    return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
