"""Workers may crash, hang, leak memory or raise; results stay complete and in order."""

import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.videos.workers import MAX_TASKS_PER_WORKER, Failure, run_in_workers


def work(task):
    kind, value = task
    if kind == "sleep":
        time.sleep(value)
    if kind == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    if kind == "die":
        os.kill(os.getpid(), value)
    if kind == "die once" and not Path(value).exists():
        Path(value).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "raise":
        raise ValueError(value)
    return value if kind != "pid" else os.getpid()


def test_results_are_in_order_for_any_number_of_workers():
    tasks = [("sleep", 0.2 * (k % 3 == 0)) for k in range(7)]
    expected = [value for _, value in tasks]
    assert list(run_in_workers(work, tasks, 1, 60)) == expected
    assert list(run_in_workers(work, tasks, 2, 60)) == expected


def test_a_task_that_crashes_is_tried_once_more_and_costs_no_other_task(tmp_path):
    once = str(tmp_path / "once")
    tasks = [
        ("ok", 1),
        ("die", signal.SIGSEGV),
        ("ok", 2),
        ("die once", once),
        ("ok", 3),
    ]
    one, dead, two, retried, three = run_in_workers(work, tasks, 2, 60)
    assert (one, two, retried, three) == (1, 2, once, 3)
    assert dead == Failure("crashed", "its worker died, 2 times: SIGSEGV")


def test_a_hanging_task_is_killed_at_the_time_limit():
    tasks = [("ok", 1), ("hang", 0), ("ok", 2)]
    start = time.monotonic()
    one, late, two = run_in_workers(work, tasks, 2, 2.0)
    assert (one, two) == (1, 2)
    assert late.status == "timeout"
    assert "longer than 2 s" in late.reason
    assert time.monotonic() - start < 60


def test_an_exception_of_a_task_is_raised_and_stops_the_job():
    results = run_in_workers(work, [("ok", 1), ("raise", "no"), ("ok", 2)], 1, 60)
    assert next(results) == 1
    with pytest.raises(ValueError, match="no"):
        next(results)


def test_a_worker_is_replaced_after_many_tasks():
    tasks = [("pid", 0)] * (MAX_TASKS_PER_WORKER + 10)
    assert len(set(run_in_workers(work, tasks, 1, 60))) == 2
