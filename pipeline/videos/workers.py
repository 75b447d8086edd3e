"""Work on videos in processes that may crash or hang without stopping the job.

Each worker has its own pipe, so a worker that dies in the middle of a message loses
only its own task. Pools whose workers share a queue are not used: a worker that dies
while it holds the queue's lock blocks all others. With pebble's pool, jobs stalled for
a minute or without end (compare github.com/noxdafox/pebble/issues/163).
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from signal import Signals
from typing import Generic, TypeVar

from pipeline.videos.status import VideoStatus

MAX_TASKS_PER_WORKER = 50  # then it is replaced, which frees what libraries leak
MAX_ATTEMPTS = 2  # at a task whose worker dies

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """A task that gave no result.

    Attributes:
        status: CRASHED or TIMEOUT.
        reason: what happened, in words.
    """

    status: VideoStatus
    reason: str


def run_in_workers(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    time_limit: float,
) -> Iterator[Result | Failure]:
    """Yield the result of `work(task)`, or a Failure, for each task in order.

    `work` is a function of a module; tasks and results must be picklable. A task that
    kills its worker is tried once more. A task that takes longer than `time_limit`
    seconds is killed. An exception in `work` is raised here. New tasks are started only
    as results are taken, so that few results are in memory at a time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])  # imported once for all workers
    pool = [_Worker(context, work, time_limit) for _ in range(workers)]
    waiting, started, yielded = enumerate(tasks), 0, 0
    finished: dict[int, Result | Failure] = {}
    try:
        while True:
            for worker in pool:
                if not worker.busy and started - yielded < 2 * workers:
                    numbered = next(waiting, None)
                    if numbered is not None:
                        worker.start_task(*numbered)
                        started += 1
            if yielded == started:
                return
            results = _wait_for_results(pool)
            finished.update(results)
            while yielded in finished:
                yield finished.pop(yielded)
                yielded += 1
    finally:
        for worker in pool:
            worker.kill()


def _wait_for_results(
    pool: list["_Worker[Task, Result]"],
) -> dict[int, Result | Failure]:
    """Wait until a worker finishes, dies or exceeds its time.

    Returns the results by the number of the task; none if a task is tried again.
    """
    busy = [worker for worker in pool if worker.busy]
    first_deadline = min(worker.deadline for worker in busy)
    timeout = max(0.0, first_deadline - time.monotonic())
    ready = wait([worker.pipe for worker in busy], timeout)
    now = time.monotonic()
    results: dict[int, Result | Failure] = {}
    for worker in busy:
        if worker.pipe in ready:
            results.update(worker.receive_result())
        elif now >= worker.deadline:
            results.update(worker.kill_task())
    return results


class _Worker(Generic[Task, Result]):
    """A worker process and its current task; a process that dies is replaced."""

    def __init__(
        self,
        context: ForkServerContext,
        work: Callable[[Task], Result],
        time_limit: float,
    ) -> None:
        self.context, self.work, self.time_limit = context, work, time_limit
        self.task: tuple[int, Task] | None = None  # its number, and the task itself
        self._start_process()

    def _start_process(self) -> None:
        self.pipe, worker_end = self.context.Pipe()
        self.process = self.context.Process(
            target=_serve, args=(self.work, worker_end), daemon=True
        )
        self.process.start()
        worker_end.close()
        self.completed, self.attempts = 0, 0

    @property
    def busy(self) -> bool:
        return self.task is not None

    def start_task(self, number: int, task: Task) -> None:
        """Send a task to the process; an old process is replaced first."""
        if self.completed == MAX_TASKS_PER_WORKER:
            self.kill()
            self._start_process()
        self.task, self.attempts = (number, task), 0
        self._send_task()

    def _send_task(self) -> None:
        assert self.task is not None
        self.attempts += 1
        self.deadline = time.monotonic() + self.time_limit
        try:
            self.pipe.send(self.task[1])
        except BrokenPipeError:  # it died while idle; `receive_result` notices that
            return

    def receive_result(self) -> dict[int, Result | Failure]:
        """The result by the task's number; none if the task is tried again."""
        try:
            result, error = self.pipe.recv()
        except (EOFError, OSError):
            return self._handle_death()
        if error is not None:
            assert self.task is not None
            error.add_note(f"The task was {_describe(self.task[1])}.")
            raise error
        self.completed += 1
        return self._finish(result)

    def _handle_death(self) -> dict[int, Result | Failure]:
        self.process.join()
        cause, attempts = _cause_of_death(self.process.exitcode or 0), self.attempts
        self.pipe.close()
        self._start_process()
        if attempts == MAX_ATTEMPTS:
            reason = f"its worker died, {attempts} times: {cause}"
            return self._finish(Failure(VideoStatus.CRASHED, reason))
        self.attempts = attempts
        self._send_task()
        return {}

    def kill_task(self) -> dict[int, Result | Failure]:
        """End a task that exceeds the time limit, with its process."""
        self.kill()
        self._start_process()
        reason = f"took longer than {self.time_limit:g} s; see faces.time_limit"
        return self._finish(Failure(VideoStatus.TIMEOUT, reason))

    def _finish(self, result: Result | Failure) -> dict[int, Result | Failure]:
        assert self.task is not None
        number, self.task = self.task[0], None
        return {number: result}

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _describe(task: object) -> str:
    """The path that a task is about, or the task itself, as a short text."""
    return str(getattr(task, "path", task))[:500]


def _serve(work: Callable[[Task], Result], pipe: Connection) -> None:
    """Main loop of a worker process: receive a task, send its result or exception."""
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):  # the job has ended, or was killed
            return
        answer: tuple[Result | None, Exception | None]
        try:
            answer = work(task), None
        except Exception as error:  # the job raises it again
            error.add_note(traceback.format_exc())
            answer = None, error
        try:
            pipe.send(answer)
        except BrokenPipeError:
            return


def _cause_of_death(exit_code: int) -> str:
    """A process's exit code in words; a negative code is a signal's number."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    name = Signals(-exit_code).name
    return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
