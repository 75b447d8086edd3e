"""Progress of long steps: a bar on a terminal, regular lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LOG_INTERVAL = 15.0  # seconds
log = logging.getLogger(__name__)


def progress(
    items: Iterable[Item], total: int, what: str, unit: str = "it"
) -> Iterator[Item]:
    """Yield `items` and show how many of `total` are done, and the rate.

    `what` names the work, `unit` its items. A log gets a line every LOG_INTERVAL.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=unit)
        return
    start = last_shown = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last_shown >= LOG_INTERVAL:
            last_shown, rate = now, done / (now - start)
            left = (total - done) / rate
            log.info(
                "%s: %d of %d %s, %.1f/s, %.0f s left",
                what,
                done,
                total,
                unit,
                rate,
                left,
            )
    log.info("%s: %d %s in %.1f s", what, done, unit, time.monotonic() - start)


class Stopwatch:
    """Measures the share of time that is spent on waiting for an iterator.

    The time starts when the stopwatch is created.
    """

    def __init__(self) -> None:
        self.start, self.waited = time.perf_counter(), 0.0

    def timing(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield `items`, and measure how long each takes to arrive."""
        while True:
            start = time.perf_counter()
            item = next(items, None)
            self.waited += time.perf_counter() - start
            if item is None:
                return
            yield item

    def share(self) -> float:
        """The share of the time until now that was spent on waiting, 0..1."""
        return self.waited / (time.perf_counter() - self.start)
