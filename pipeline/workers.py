"""Work on videos in processes that may crash or hang without hurting the job."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from signal import Signals
from typing import Any

from pebble import ProcessExpired, ProcessPool

RECYCLED_AFTER = 50  # videos: what libraries leak is given back


@dataclass(frozen=True)
class Failure:
    """A task that gave no result: `status` is crashed or timeout, and why."""

    status: str
    reason: str


def in_workers(
    work: Callable[[Any], Any],
    tasks: Iterable[Any],
    workers: int,
    time_limit: float,
) -> Iterator[Any]:
    """Results of `work(task)`, or Failures, in the order of `tasks`.

    A task that kills its worker is tried once more; one that takes longer than
    `time_limit` seconds is killed. What `work` raises is raised here. Few results wait
    to be taken: tasks begin as their turn comes near.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])  # imported once for all workers

    def begin(task: Any) -> Future:
        return pool.schedule(work, [task], timeout=time_limit)

    with ProcessPool(workers, RECYCLED_AFTER, context=context) as pool:
        try:
            under_way: deque[tuple[Any, Future]] = deque()
            for task in tasks:
                under_way.append((task, begin(task)))
                if len(under_way) > 2 * workers:
                    yield _result(*under_way.popleft(), begin, time_limit)
            while under_way:
                yield _result(*under_way.popleft(), begin, time_limit)
        except BaseException:
            pool.stop()
            raise


def _result(
    task: Any, future: Future, begin: Callable[[Any], Future], time_limit: float
) -> Any:
    """The result of a task under way, which begins again if its worker dies."""
    for attempt in (1, 2):
        try:
            return future.result()
        except TimeoutError:
            reason = f"took longer than {time_limit:g} s; see faces.time_limit"
            return Failure("timeout", reason)
        except ProcessExpired as error:
            death = _death(error.exitcode)
        if attempt == 1:
            future = begin(task)
    return Failure("crashed", f"its worker died, twice: {death}")


def _death(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    name = Signals(-code).name
    return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
