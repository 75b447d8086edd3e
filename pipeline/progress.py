"""Progress of long steps: a bar on a terminal, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LOG_INTERVAL = 15.0  # seconds
log = logging.getLogger("pipeline")


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
