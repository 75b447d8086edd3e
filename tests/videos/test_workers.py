"""Workers may crash, hang, leak or raise; the job goes on, in order."""

import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.videos.workers import RECYCLED_AFTER, Failure, in_workers


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


def test_results_come_in_order_from_any_number_of_workers():
    tasks = [("sleep", 0.2 * (k % 3 == 0)) for k in range(7)]
    expected = [value for _, value in tasks]
    assert list(in_workers(work, tasks, 1, 60)) == expected
    assert list(in_workers(work, tasks, 2, 60)) == expected


def test_a_crash_costs_one_task_and_is_tried_once_more(tmp_path):
    once = str(tmp_path / "once")
    tasks = [
        ("ok", 1),
        ("die", signal.SIGSEGV),
        ("ok", 2),
        ("die once", once),
        ("ok", 3),
    ]
    one, dead, two, lucky, three = in_workers(work, tasks, 2, 60)
    assert (one, two, lucky, three) == (1, 2, once, 3)
    assert dead == Failure("crashed", "its worker died, 2 times: SIGSEGV")


def test_a_hanging_task_is_killed_at_its_limit():
    tasks = [("ok", 1), ("hang", 0), ("ok", 2)]
    began = time.monotonic()
    one, late, two = in_workers(work, tasks, 2, 2.0)
    assert (one, two) == (1, 2)
    assert late.status == "timeout"
    assert "longer than 2 s" in late.reason
    assert time.monotonic() - began < 60


def test_what_is_raised_is_raised_and_stops_the_job():
    results = in_workers(work, [("ok", 1), ("raise", "no"), ("ok", 2)], 1, 60)
    assert next(results) == 1
    with pytest.raises(ValueError, match="no"):
        next(results)


def test_workers_are_recycled():
    tasks = [("pid", 0)] * (RECYCLED_AFTER + 10)
    assert len(set(in_workers(work, tasks, 1, 60))) == 2
