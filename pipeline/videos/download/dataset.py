"""Fetch many files of a data set: a few at a time, each once, and each the same."""

import fcntl
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock
from urllib.parse import quote

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import ChecksumError, file_sha256, read_checksums
from pipeline.runtime.progress import LOG_INTERVAL
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import read_index
from pipeline.videos.download.http import Unanswered, Unavailable, download
from pipeline.videos.download.partial_file import Hooks

log = logging.getLogger(__name__)

FIRST_SUMS = "SHA256SUMS"  # in the data set's folder: what each file was at first


class Stopped(Exception):
    """Raised in the downloads of a fetch that is to end."""


@dataclass(frozen=True)
class Fetched:
    """What became of a file: the SHA-256 of what is there, "" if nothing is, and why
    it is not what it should be."""

    name: str
    sha256: str = ""
    problem: str = ""
    unanswered: bool = False  # nothing is known of it: the server did not answer


@dataclass
class Traffic:
    """What has come so far; downloads in several threads count into it."""

    files: int
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    fetched: int = 0
    bytes: int = 0
    stop: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def count(self, come: int) -> None:
        """Add bytes. Raises Stopped once all is to end."""
        with self._lock:
            self.bytes += come
        if self.stop.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait; as soon as all is to end, raise Stopped."""
        if self.stop.wait(seconds):
            raise Stopped

    def __str__(self) -> str:
        rate = self.bytes / max(time.monotonic() - self.began, 1e-9)
        told = f"{self.done} of {self.files} files, {self.bytes / 1e6:.1f} MB, "
        told += f"{rate / 1e6:.2f} MB/s"
        if not self.fetched or not self.bytes or self.done == self.files:
            return told
        left = (self.files - self.done) * self.bytes / self.fetched / rate
        return f"{told}, about {left:.0f} s left"


def fetch_files(
    address: str,
    root: Path,
    names: Sequence[str],
    known: Mapping[str, str],
    config: FetchConfig,
) -> Iterator[Fetched]:
    """Fetch files to below `root` from the same paths below `address`.

    `known` has the SHA-256 that is known of some names. Yields files as they are done.
    Where many in a row are not answered, the others are not tried. Raises ChecksumError
    for a file that is there, and is not what it was when it was fetched.
    """
    known = {**read_first_sums(root), **{k: v for k, v in known.items() if v}}
    traffic = Traffic(len(names))
    one = _FileFetch(address, root, known, config, traffic)
    unanswered = 0
    pool = ThreadPoolExecutor(config.connections)
    try:
        waiting = [pool.submit(one.fetch, name) for name in names]
        for future in _finished(waiting, traffic):
            fetched = future.result()
            unanswered = unanswered + 1 if fetched.unanswered else 0
            patient = 4 if traffic.bytes else 1  # something has come, or nothing yet
            if unanswered >= patient * config.connections and not one.given_up:
                one.given_up = fetched.problem
            yield fetched
    finally:
        traffic.stop.set()
        pool.shutdown(cancel_futures=True)
    log.info("fetch: %s", traffic)


def _finished(futures: Sequence[Future], traffic: Traffic) -> Iterator[Future]:
    """The futures as they finish, with a line on the traffic now and then.

    An interrupt in the midst of `concurrent.futures.wait` would leave futures locked,
    and their downloads without an end.
    """
    finished: SimpleQueue[Future] = SimpleQueue()
    for future in futures:
        future.add_done_callback(finished.put)
    said = time.monotonic()
    while traffic.done < len(futures):
        try:
            done = [finished.get(timeout=1.0)]
        except Empty:
            done = []
        traffic.done += len(done)
        yield from done
        if time.monotonic() - said >= LOG_INTERVAL:
            said = time.monotonic()
            log.info("fetch: %s", traffic)


@dataclass
class _FileFetch:
    address: str
    root: Path
    known: Mapping[str, str]
    config: FetchConfig
    traffic: Traffic
    given_up: str = ""  # why no more files are tried

    def fetch(self, name: str) -> Fetched:
        """A file that is there, or is fetched."""
        path, known = self.root / name, self.known.get(name, "")
        unusable = ""  # SHA-256 of a file that is there, and is no video
        if path.is_file():
            digest, fault = self._there(name, known)
            if not fault:
                return Fetched(name, digest)
            unusable = digest
            log.warning("%s is there, but %s; it is fetched", path, fault)
        if self.given_up:
            told = f"not tried, since many others had no answer: {self.given_up}"
            return Fetched(name, unusable, told, unanswered=True)
        hooks = Hooks(
            check=video_fault,
            count=self.traffic.count,
            note=lambda digest: None if known else remember(self.root, name, digest),
            sleep=self.traffic.sleep,
        )
        url = f"{self.address}/{quote(name)}"
        try:
            digest = download(url, path, self.config, known, hooks, bool(unusable))
        except Unavailable as error:
            log.warning("%s: %s", name, error)
            silent = isinstance(error, Unanswered)
            return Fetched(name, unusable, self._told(error, known), silent)
        self.traffic.fetched += 1
        return Fetched(name, digest)

    def _told(self, error: Unavailable, known: str) -> str:
        told = str(error)
        if known and known in told:
            told += f" (as {self.root / FIRST_SUMS} says: remove its line if the "
            told += "server's file has changed for good)"
        return told

    def _there(self, name: str, known: str) -> tuple[str, str]:
        """SHA-256 of a file that is there, and what is wrong with it."""
        path = self.root / name
        digest = file_sha256(path)
        if known and digest != known:
            raise ChecksumError(
                f"{path}: its SHA-256 is {digest}, and was {known} when it was "
                f"fetched. Delete it to have it fetched again; if the change was "
                f"meant, remove its line from {self.root / FIRST_SUMS}."
            )
        fault = "" if known else video_fault(path)
        if not known and not fault:
            remember(self.root, name, digest)
        return digest, fault


def video_fault(path: Path) -> str:
    """What is wrong with a file as a video, "" if nothing; no frame but one is
    decoded."""
    if not path.stat().st_size:
        return "it has no bytes"
    try:
        read_index(path)
    except VideoError as error:
        return f"it cannot be opened as a video: {error}"
    return ""


def read_first_sums(root: Path) -> dict[str, str]:
    """SHA-256 by name of all that was ever fetched to below `root`."""
    file = root / FIRST_SUMS
    return read_checksums(file, may_end_torn=True) if file.exists() else {}


def remember(root: Path, name: str, digest: str) -> None:
    """Write down what a file was when it first came."""
    with open(root / FIRST_SUMS, "a+b") as file:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        written = file.read()
        whole = written.rfind(b"\n") + 1
        if whole < len(written):  # a line that a killed run has not finished
            file.truncate(whole)
        file.write(f"{digest}  {name}\n".encode())
