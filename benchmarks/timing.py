"""Wall time and CPU time of a function, with its child processes."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Time:
    """Wall time and CPU time, in seconds."""

    wall: float
    cpu: float


def timed(work: Callable[[], object], repeats: int = 1) -> Time:
    """The shortest wall time and the shortest CPU time of `repeats` calls of `work`."""
    runs = [_once(work) for _ in range(repeats)]
    return Time(min(run.wall for run in runs), min(run.cpu for run in runs))


def _once(work: Callable[[], object]) -> Time:
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return Time(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    """CPU seconds of this process and of its children that have finished."""
    used = [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(one.ru_utime + one.ru_stime for one in used)
