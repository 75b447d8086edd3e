"""Fetch many files of a data set: a few at a time, each once, and each the same."""

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from pipeline.checksums import ChecksumError, file_sha256, read_checksums
from pipeline.command_line import log
from pipeline.config.fetch import FetchConfig
from pipeline.decoding.errors import VideoError
from pipeline.decoding.frame_index import read_index
from pipeline.download import Unavailable, download
from pipeline.progress import LOG_INTERVAL

FIRST_SUMS = "SHA256SUMS"  # in the data set's folder: what each file was at first


@dataclass
class Traffic:
    """What has come so far; downloads in several threads count into it."""

    files: int
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    fetched: int = 0
    bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self, come: int) -> None:
        with self._lock:
            self.bytes += come

    def __str__(self) -> str:
        rate = self.bytes / max(time.monotonic() - self.began, 1e-9)
        told = f"{self.done} of {self.files} files, {self.bytes / 1e6:.1f} MB, "
        told += f"{rate / 1e6:.2f} MB/s"
        if not self.fetched or self.done == self.files:
            return told
        left = (self.files - self.done) * self.bytes / self.fetched / rate
        return f"{told}, about {left:.0f} s left"


def fetch_files(
    server: str,
    root: Path,
    names: Sequence[str],
    known: Mapping[str, str],
    config: FetchConfig,
) -> Iterator[tuple[str, str, str]]:
    """Fetch files to below `root` from the same paths below `server`.

    `known` has the SHA-256 that is known of some names. Yields, as they are done, each
    name, its SHA-256 ("" if it cannot be had), and why it cannot. Raises ChecksumError
    for a file that is there, and is not what it was when it was fetched.
    """
    known = {**read_first_sums(root), **{k: v for k, v in known.items() if v}}
    traffic = Traffic(len(names))
    one = _FileFetch(server, root, known, config, traffic)
    unanswered = 0
    with ThreadPoolExecutor(config.connections) as pool:
        waiting = {pool.submit(one.fetch, name): name for name in names}
        try:
            for future in _finished(waiting, traffic):
                name, (digest, problem) = waiting[future], future.result()
                unanswered = unanswered + 1 if problem else 0
                if unanswered >= 4 * config.connections:
                    one.given_up = problem
                yield name, digest, problem
        finally:
            pool.shutdown(cancel_futures=True)
    log.info("fetch: %s", traffic)


def _finished(waiting: Mapping[Future, str], traffic: Traffic) -> Iterator[Future]:
    """The futures as they finish, with a line on the traffic now and then."""
    left, said = set(waiting), time.monotonic()
    while left:
        done, left = wait(left, timeout=1.0, return_when=FIRST_COMPLETED)
        traffic.done += len(done)
        yield from done
        if time.monotonic() - said >= LOG_INTERVAL:
            said = time.monotonic()
            log.info("fetch: %s", traffic)


@dataclass
class _FileFetch:
    server: str
    root: Path
    known: Mapping[str, str]
    config: FetchConfig
    traffic: Traffic
    given_up: str = ""  # why no more files are tried

    def fetch(self, name: str) -> tuple[str, str]:
        """SHA-256 and problem of a file that is there, or is fetched; one is ""."""
        path, known = self.root / name, self.known.get(name, "")
        if path.is_file():
            digest = self._there(path, known)
            if digest:
                return digest, ""
        if self.given_up:
            return "", f"not tried, after many others: {self.given_up}"
        try:
            digest = download(
                f"{self.server.rstrip('/')}/{quote(name)}",
                path,
                self.config,
                known,
                video_fault,
                self.traffic.count,
                lambda digest: remember(self.root, name, digest, known),
            )
        except Unavailable as error:
            log.warning("%s", error)
            return "", str(error)
        self.traffic.fetched += 1
        return digest, ""

    def _there(self, path: Path, known: str) -> str:
        """SHA-256 of a file that is there; "" for one to be fetched anew."""
        digest = file_sha256(path)
        if known and digest != known:
            raise ChecksumError(
                f"{path}: its SHA-256 is {digest}, and was {known} when it was "
                f"fetched. Delete it to have it fetched again; if the change was "
                f"meant, remove its line from {self.root / FIRST_SUMS}."
            )
        if not known:
            fault = video_fault(path)
            if fault:
                log.warning("%s: %s; it is fetched anew", path, fault)
                path.unlink()
                return ""
            remember(self.root, str(path.relative_to(self.root)), digest, known)
        return digest


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
    return read_checksums(file) if file.exists() else {}


def remember(root: Path, name: str, digest: str, known: str) -> None:
    """Write down what a file was when it first came, unless that is known."""
    if known:
        return
    with open(root / FIRST_SUMS, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{digest}  {name}\n")
        file.flush()
