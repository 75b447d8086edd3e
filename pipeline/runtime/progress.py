"""Progress of long steps: a bar on a terminal, a line now and then in a log."""

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
    """Pass `items` through, showing how many of `total` are done and the rate."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=unit)
        return
    start = said = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= LOG_INTERVAL:
            said, rate = now, done / (now - start)
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
    """How much of the time since it was made goes into waiting for an iterator."""

    def __init__(self) -> None:
        self.began, self.waited = time.perf_counter(), 0.0

    def timing(self, items: Iterator[Item]) -> Iterator[Item]:
        """Pass `items` through, with an eye on the clock while each is waited for."""
        while True:
            start = time.perf_counter()
            item = next(items, None)
            self.waited += time.perf_counter() - start
            if item is None:
                return
            yield item

    def share(self) -> float:
        """0..1."""
        return self.waited / (time.perf_counter() - self.began)
