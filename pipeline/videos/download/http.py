"""Download a file over HTTP so that nothing is fetched twice, and nothing half is used.

A file comes to `.<name>.part` beside its place. What is needed to go on with it stands
in `.<name>.part.json`: the address, the server's validator (its ETag, or when the file
was modified), and the length. An interrupted file goes on where it stopped if the
server vouches that it is still the same one (If-Range, RFC 9110 section 13.1.5), and
begins anew if not. It gets its name once its length, its checksum and a check of the
caller's hold.
"""

import http.client
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import file_sha256
from pipeline.videos.download.partial_file import (
    Hooks,
    Note,
    append_all,
    file_size,
    locked,
    note_path,
    read_note,
    restart,
    write_note,
)

CHUNK = 2**16  # bytes that are waited for at most
LATER = {408, 425, 429, 500, 502, 503, 504}  # statuses that may pass
LONGEST_PAUSE = 60.0  # s
REACH = 10.0  # s to be connected in
REDIRECTS = 10
WRONG = 2  # times that a file may come whole and be wrong

_sessions = threading.local()


class Unavailable(Exception):
    """A file that cannot be had; the message says why."""


class Unanswered(Unavailable):
    """A file that cannot be had since the server does not answer, or not for good."""


class Interrupted(Exception):
    """A try that failed, of which another one may not."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause  # s that the server asks to wait


class TooSlow(Interrupted):
    """Bytes came, but at this rate they would come for ever."""


def download(
    url: str,
    path: Path,
    config: FetchConfig,
    known_sha256: str = "",
    hooks: Hooks = Hooks(),
    replace: bool = False,
) -> str:
    """Download `url` to `path`, unless it is there; return its SHA-256.

    With `replace`, what is there gives way once the new file is whole. Raises
    Unavailable, which leaves what is at `path` as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with locked(part, hooks) as file:
        if path.exists() and not replace:  # another run has fetched it meanwhile
            file.truncate(0)
            digest = file_sha256(path)
            fault = _fault(path, digest, known_sha256, hooks)
            if fault:
                raise Unavailable(f"another run has fetched it, but {fault}")
            return digest
        for _ in range(WRONG):
            _receive_all(url, part, file, config, hooks)
            os.fsync(file.fileno())
            digest = file_sha256(part)
            fault = _fault(part, digest, known_sha256, hooks)
            if not fault:
                hooks.note(digest)
                os.replace(part, path)
                note_path(part).unlink(missing_ok=True)
                return digest
            restart(part, file)
        raise Unavailable(f"came whole, {WRONG} times, but {fault}")


def _fault(file: Path, digest: str, known: str, hooks: Hooks) -> str:
    if known and digest != known:
        return f"its SHA-256 is {digest}, and should be {known}"
    return "" if known else hooks.check(file)


def _receive_all(
    url: str, part: Path, file: BinaryIO, config: FetchConfig, hooks: Hooks
) -> None:
    """Try, and try again while bytes come, until the file is whole."""
    tries = _Tries(file, config.attempts)
    again = Retrying(
        retry=retry_if_exception_type(Interrupted),
        stop=tries.are_enough,
        wait=tries.pause,
        sleep=hooks.sleep,
        reraise=True,
    )
    try:
        again(_receive, url, part, file, config, hooks.count)
    except Interrupted as error:
        told = f"{error}; given up after {config.attempts} tries in vain"
        raise Unanswered(told) from error


class _Tries:
    """Counts the tries in a row that brought nothing to speak of."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.most = file, most
        self.largest, self.fruitless = file_size(file), 0

    def are_enough(self, state: RetryCallState) -> bool:
        assert state.outcome is not None
        size = file_size(self.file)
        slow = isinstance(state.outcome.exception(), TooSlow)
        self.fruitless = 0 if size > self.largest and not slow else self.fruitless + 1
        self.largest = max(size, self.largest)
        return self.fruitless >= self.most

    def pause(self, state: RetryCallState) -> float:
        """Seconds: as the server asks, or one, two, four, ...; told before a try is
        counted as fruitless."""
        assert state.outcome is not None
        asked = getattr(state.outcome.exception(), "pause", 0.0)
        return min(max(asked, 2.0**self.fruitless), LONGEST_PAUSE)


def _receive(
    url: str,
    part: Path,
    file: BinaryIO,
    config: FetchConfig,
    count: Callable[[int], None],
) -> None:
    """One try: ask for the rest of a file, and append it."""
    note, have = read_note(part), file_size(file)
    resumes = have > 0 and note.url == url and note.validator != ""
    if resumes and note.total == have:
        return
    headers = {"Accept-Encoding": "identity"}  # bytes as they are, to be counted
    if resumes:
        headers |= {"Range": f"bytes={have}-", "If-Range": note.validator}
    with _asking(url, headers, config.patience) as response:
        offset, total = _extent(response)
        validator = _validator(response)
        # Some servers know ranges, but not If-Range.
        same = (offset, total) == (have, note.total)
        same = same and validator in ("", note.validator)
        if offset != 0 and not same:
            restart(part, file)
            raise Interrupted(f"what follows {have} bytes was asked for, and not sent")
        if offset == 0:
            restart(part, file)
            write_note(part, Note(url, validator, total))
        for data in _watched(response, config):
            append_all(file, data)
            count(len(data))
    if total is not None and file_size(file) != total:
        raise Interrupted(f"ended after {file_size(file)} of {total} bytes")


class _Session(requests.Session):
    """Never looks where a redirect leads, since it would read all of its body first."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


@contextmanager
def _asking(
    url: str, headers: dict[str, str], patience: float
) -> Iterator[requests.Response]:
    """An answer that has the file, or a part of it, to come."""
    if not hasattr(_sessions, "session"):
        _sessions.session = _Session()  # one a thread: they are not shared
    session: _Session = _sessions.session
    try:
        response = _answer(session, url, headers, (min(REACH, patience), patience))
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Interrupted(f"no answer ({_cause(error)})") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as e:
        raise Unavailable(f"no answer that makes sense ({_cause(e)})") from e
    with response:
        told = f"the server answers {response.status_code} {response.reason}"
        if response.status_code in LATER:
            raise Interrupted(told, _asked_to_wait(response))
        if response.status_code not in (200, 206, 416):
            raise Unavailable(told)
        yield response


def _answer(
    session: _Session,
    url: str,
    headers: dict[str, str],
    timeout: tuple[float, float],
) -> requests.Response:
    """The answer at the end of redirects, whose own bodies are not waited for."""
    for _ in range(REDIRECTS):
        response = session.get(
            url, headers=headers, stream=True, timeout=timeout, allow_redirects=False
        )
        place = requests.Session.get_redirect_target(session, response)
        if place is None:
            return response
        response.close()
        url = urljoin(url, place)
        if urlsplit(url).scheme not in ("http", "https"):
            raise Unavailable("no answer: the server's redirect leads out of HTTP")
    raise Unavailable("the server's redirects lead nowhere")


def _cause(error: BaseException) -> str:
    """What the system says at the bottom of it, without the server's address, which is
    not to stand in results."""
    told, below = type(error).__name__, error.__context__
    while below is not None:
        if isinstance(below, ssl.SSLError):
            told = f"{type(below).__name__}: {below.reason or 'not trusted'}"
        elif isinstance(below, OSError) and below.strerror:
            told = below.strerror
        below = below.__context__
    return told


def _asked_to_wait(response: requests.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _watched(response: requests.Response, config: FetchConfig) -> Iterator[bytes]:
    """The bytes of an answer, as long as they come fast enough."""
    since, come = time.monotonic(), 0
    while True:
        try:
            data = response.raw.read1(CHUNK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Interrupted(f"nothing came for {config.patience:.0f} s") from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise Interrupted(f"the connection broke ({error})") from error
        except OSError as error:
            raise Interrupted(f"the connection broke ({error})") from error
        if not data:
            return
        yield data
        come += len(data)
        passed = time.monotonic() - since
        if passed > config.patience:
            if come < config.slowest * passed:
                raise TooSlow(f"only {come / passed:.0f} bytes/s come")
            since, come = time.monotonic(), 0


def _extent(response: requests.Response) -> tuple[int | None, int | None]:
    """Where an answer's bytes begin, and the file's length; None where not told."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    told = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _validator(response: requests.Response) -> str:
    """What tells the server's file from another: a strong ETag, or its date."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")
