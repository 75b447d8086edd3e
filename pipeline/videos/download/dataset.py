"""Fetch many files of a data set: a few at a time, each only once.

The manifest in the data set's folder records the SHA-256 of every file as it was when
it was first fetched (trust on first use).
"""

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

from filelock import lock_descriptor

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import ChecksumError, file_sha256, read_checksums
from pipeline.runtime.progress import LOG_INTERVAL
from pipeline.videos.decoding.errors import VideoError
from pipeline.videos.decoding.frame_index import read_index
from pipeline.videos.download.http import ServerUnreachable, Unavailable, download
from pipeline.videos.download.partial_file import Hooks

log = logging.getLogger(__name__)

MANIFEST = "SHA256SUMS"  # in the data set's folder


class FetchStopped(Exception):
    """Raised in the threads of a fetch when the fetch ends."""


@dataclass(frozen=True)
class FetchResult:
    """The outcome of fetching one file.

    Attributes:
        name: path below the data set's folder.
        sha256: SHA-256 of the file at that path, "" if there is none.
        problem: why the file is missing or unusable, "" if it is neither.
        unanswered: whether the server did not answer, so that it remains unknown
            whether it has the file.
    """

    name: str
    sha256: str = ""
    problem: str = ""
    unanswered: bool = False


@dataclass
class FetchProgress:
    """Counts files and bytes for all threads of a fetch, and tells them to stop.

    Attributes:
        files: number of files of the fetch.
        start: time at the start, in s of the monotonic clock.
        done: number of files that are finished, with or without success.
        fetched: number of files that were downloaded.
        bytes: number of bytes received.
        stop: set when all threads have to end.
    """

    files: int
    start: float = field(default_factory=time.monotonic)
    done: int = 0
    fetched: int = 0
    bytes: int = 0
    stop: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def add_bytes(self, count: int) -> None:
        """Count received bytes. Raises FetchStopped if the fetch ends."""
        with self._lock:
            self.bytes += count
        if self.stop.is_set():
            raise FetchStopped

    def sleep(self, seconds: float) -> None:
        """Wait. Raises FetchStopped as soon as the fetch ends."""
        if self.stop.wait(seconds):
            raise FetchStopped

    def __str__(self) -> str:
        rate = self.bytes / max(time.monotonic() - self.start, 1e-9)
        text = f"{self.done} of {self.files} files, {self.bytes / 1e6:.1f} MB, "
        text += f"{rate / 1e6:.2f} MB/s"
        if not self.fetched or not self.bytes or self.done == self.files:
            return text
        remaining = (self.files - self.done) * self.bytes / self.fetched / rate
        return f"{text}, about {remaining:.0f} s left"


def fetch_files(
    address: str,
    root: Path,
    names: Sequence[str],
    known: Mapping[str, str],
    config: FetchConfig,
) -> Iterator[FetchResult]:
    """Fetch files to below `root` from the same paths below `address`.

    `known` gives the SHA-256 of some of the `names`. Yields one result for each file,
    in the order in which they finish. If the server does not answer for many files in a
    row, the remaining ones are not tried. Raises ChecksumError for an existing file
    that differs from its SHA-256 in `known` or in the manifest.
    """
    known = {**read_manifest(root), **{k: v for k, v in known.items() if v}}
    progress = FetchProgress(len(names))
    fetcher = _FileFetcher(address, root, known, config, progress)
    unanswered = 0
    pool = ThreadPoolExecutor(config.connections)
    try:
        futures = [pool.submit(fetcher.fetch, name) for name in names]
        for future in _as_finished(futures, progress):
            result = future.result()
            unanswered = unanswered + 1 if result.unanswered else 0
            # Give up sooner if the server has sent nothing at all.
            tolerated = (4 if progress.bytes else 1) * config.connections
            if unanswered >= tolerated and not fetcher.given_up:
                fetcher.given_up = result.problem
            yield result
    finally:
        progress.stop.set()
        pool.shutdown(cancel_futures=True)
    log.info("fetch: %s", progress)


def _as_finished(
    futures: Sequence[Future[FetchResult]], progress: FetchProgress
) -> Iterator[Future[FetchResult]]:
    """The futures in the order in which they finish; logs the progress now and then.

    `concurrent.futures.wait` is not used: an interrupt inside it would leave futures
    locked, and their downloads would never end.
    """
    finished: SimpleQueue[Future[FetchResult]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(finished.put)
    last_log = time.monotonic()
    while progress.done < len(futures):
        try:
            done = [finished.get(timeout=1.0)]
        except Empty:
            done = []
        progress.done += len(done)
        yield from done
        if time.monotonic() - last_log >= LOG_INTERVAL:
            last_log = time.monotonic()
            log.info("fetch: %s", progress)


@dataclass
class _FileFetcher:
    """Fetches single files, in several threads at once."""

    address: str
    root: Path
    known: Mapping[str, str]  # SHA-256 by name
    config: FetchConfig
    progress: FetchProgress
    given_up: str = ""  # why no more files are tried

    def fetch(self, name: str) -> FetchResult:
        """Fetch a file unless a usable one exists."""
        path, known = self.root / name, self.known.get(name, "")
        unusable = ""  # SHA-256 of an existing file that is not a video
        if path.is_file():
            digest, fault = self._check_existing(name, known)
            if not fault:
                return FetchResult(name, digest)
            unusable = digest
            log.warning("%s exists, but %s; fetching it", path, fault)
        if self.given_up:
            problem = f"not tried, since many others had no answer: {self.given_up}"
            return FetchResult(name, unusable, problem, unanswered=True)

        def add_unless_known(digest: str) -> None:
            if not known:
                add_to_manifest(self.root, name, digest)

        hooks = Hooks(
            check=video_fault,
            on_bytes=self.progress.add_bytes,
            on_verified=add_unless_known,
            sleep=self.progress.sleep,
        )
        try:
            digest = download(
                f"{self.address}/{quote(name)}",
                path,
                self.config,
                known_sha256=known,
                hooks=hooks,
                replace=bool(unusable),
            )
        except Unavailable as error:
            log.warning("%s: %s", name, error)
            unanswered = isinstance(error, ServerUnreachable)
            return FetchResult(name, unusable, self._problem(error, known), unanswered)
        self.progress.fetched += 1
        return FetchResult(name, digest)

    def _problem(self, error: Unavailable, known: str) -> str:
        """The error's message; for a wrong checksum, with the remedy."""
        problem = str(error)
        if known and known in problem:
            problem += f" (as {self.root / MANIFEST} says: remove its line if the "
            problem += "server's file has changed for good)"
        return problem

    def _check_existing(self, name: str, known: str) -> tuple[str, str]:
        """SHA-256 of an existing file, and what is wrong with it ("" if nothing)."""
        path = self.root / name
        digest = file_sha256(path)
        if known and digest != known:
            raise ChecksumError(
                f"{path}: its SHA-256 is {digest}, but was {known} when it was "
                "fetched. Delete it to have it fetched again. If you changed it on "
                f"purpose, remove its line from {self.root / MANIFEST}."
            )
        fault = "" if known else video_fault(path)
        if not known and not fault:
            add_to_manifest(self.root, name, digest)
        return digest, fault


def video_fault(path: Path) -> str:
    """What is wrong with a file as a video, "" if nothing is.

    Reads the container and decodes one frame.
    """
    if not path.stat().st_size:
        return "it has no bytes"
    try:
        read_index(path)
    except VideoError as error:
        return f"it cannot be opened as a video: {error}"
    return ""


def read_manifest(root: Path) -> dict[str, str]:
    """SHA-256 by name of all files that were ever fetched to below `root`."""
    file = root / MANIFEST
    return read_checksums(file, may_end_torn=True) if file.exists() else {}


def add_to_manifest(root: Path, name: str, digest: str) -> None:
    """Record the SHA-256 of a file that is fetched for the first time."""
    with open(root / MANIFEST, "a+b") as file:
        with suppress(OSError):  # the file system has no locks
            lock_descriptor(file.fileno())
        file.seek(0)
        content = file.read()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):  # a killed run left an unfinished line
            file.truncate(complete)
        file.write(f"{digest}  {name}\n".encode())
