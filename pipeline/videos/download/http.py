"""Download a file over HTTP: nothing is fetched twice, and no incomplete file is used.

A file is received as `.<name>.part` beside its place. The file `.<name>.part.json`
holds what is needed to resume it: the address, the server's validator (its ETag, or the
date of modification), and the length. An interrupted download is resumed if the server
confirms that the file is still the same (If-Range, RFC 9110 section 13.1.5), and starts
again if not. The file gets its name once its length, its checksum and the caller's
check are right.
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
    ResumeState,
    append_all,
    file_size,
    open_locked,
    read_resume_state,
    restart,
    resume_path,
    write_resume_state,
)

CHUNK_BYTES = 2**16  # largest size of one read
CONNECT_TIMEOUT = 10.0  # s
RETRYABLE_STATUS = {408, 425, 429, 500, 502, 503, 504}
MAX_PAUSE = 60.0  # s between two attempts
MAX_REDIRECTS = 10
MAX_CORRUPT = 2  # give up after this many complete but invalid downloads

_sessions = threading.local()


class Unavailable(Exception):
    """The file cannot be downloaded; the message says why."""


class ServerUnreachable(Unavailable):
    """The server did not respond, or never sent the complete file."""


class RetryableError(Exception):
    """This attempt failed; the next one may succeed.

    Attributes:
        pause: seconds that the server asks to wait.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class TooSlow(RetryableError):
    """Bytes arrived at a lower rate than the configuration allows."""


def download(
    url: str,
    path: Path,
    config: FetchConfig,
    *,
    known_sha256: str = "",
    hooks: Hooks = Hooks(),
    replace: bool = False,
) -> str:
    """Download `url` to `path` unless the file exists; return its SHA-256.

    A complete file must have `known_sha256`, or pass `hooks.check` where that is "".
    With `replace`, an existing file is replaced once the new one is valid. Raises
    Unavailable, and then leaves the file at `path` unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with open_locked(part, hooks) as file:
        if path.exists() and not replace:  # another run has just fetched it
            file.truncate(0)
            digest = file_sha256(path)
            fault = _fault(path, digest, known=known_sha256, hooks=hooks)
            if fault:
                raise Unavailable(f"another run has fetched it, but {fault}")
            return digest
        for _ in range(MAX_CORRUPT):
            _receive_all(url, part, file, config=config, hooks=hooks)
            os.fsync(file.fileno())
            digest = file_sha256(part)
            fault = _fault(part, digest, known=known_sha256, hooks=hooks)
            if not fault:
                hooks.on_verified(digest)
                os.replace(part, path)
                resume_path(part).unlink(missing_ok=True)
                return digest
            restart(part, file)
        raise Unavailable(f"came whole, {MAX_CORRUPT} times, but {fault}")


def _fault(file: Path, digest: str, *, known: str, hooks: Hooks) -> str:
    """What is wrong with a complete file, "" if nothing is."""
    if known and digest != known:
        return f"its SHA-256 is {digest}, and should be {known}"
    return "" if known else hooks.check(file)


def _receive_all(
    url: str, part: Path, file: BinaryIO, *, config: FetchConfig, hooks: Hooks
) -> None:
    """Try until the file is complete, or too many attempts in a row brought nothing."""
    attempts = _AttemptCounter(file, config.attempts)
    retrying = Retrying(
        retry=retry_if_exception_type(RetryableError),
        stop=attempts.are_exhausted,
        wait=attempts.pause,
        sleep=hooks.sleep,
        reraise=True,
    )
    try:
        retrying(_receive, url, part, file, config=config, on_bytes=hooks.on_bytes)
    except RetryableError as error:
        raise ServerUnreachable(
            f"{error}; given up after {config.attempts} tries in vain"
        ) from error


class _AttemptCounter:
    """Counts the attempts in a row that brought nothing, or too little."""

    def __init__(self, file: BinaryIO, max_attempts: int) -> None:
        self.file, self.max_attempts = file, max_attempts
        self.largest_size, self.failures = file_size(file), 0

    def are_exhausted(self, state: RetryCallState) -> bool:
        assert state.outcome is not None
        size = file_size(self.file)
        slow = isinstance(state.outcome.exception(), TooSlow)
        progress = size > self.largest_size and not slow
        self.failures = 0 if progress else self.failures + 1
        self.largest_size = max(size, self.largest_size)
        return self.failures >= self.max_attempts

    def pause(self, state: RetryCallState) -> float:
        """Seconds to wait: as the server asks, or 1, 2, 4, ...

        tenacity calls this before `are_exhausted` counts the failed attempt.
        """
        assert state.outcome is not None
        requested = getattr(state.outcome.exception(), "pause", 0.0)
        return min(max(requested, 2.0**self.failures), MAX_PAUSE)


def _receive(
    url: str,
    part: Path,
    file: BinaryIO,
    *,
    config: FetchConfig,
    on_bytes: Callable[[int], None],
) -> None:
    """One attempt: request the missing bytes of a file, and append them."""
    state, received = read_resume_state(part), file_size(file)
    resumes = received > 0 and state.url == url and state.validator != ""
    if resumes and state.total == received:
        return
    headers = {
        "Accept-Encoding": "identity"
    }  # uncompressed, so that bytes can be counted
    if resumes:
        headers |= {"Range": f"bytes={received}-", "If-Range": state.validator}
    with _open_response(url, headers, config.patience) as response:
        offset, total = _extent(response)
        validator = _validator(response)
        # Some servers support ranges, but not If-Range.
        same = (offset, total) == (received, state.total)
        same = same and validator in ("", state.validator)
        if offset != 0 and not same:
            restart(part, file)
            raise RetryableError(
                f"what follows {received} bytes was asked for, and not sent"
            )
        if offset == 0:
            restart(part, file)
            write_resume_state(part, ResumeState(url, validator, total))
        for data in _read_body(response, config):
            append_all(file, data)
            on_bytes(len(data))
    if total is not None and file_size(file) != total:
        raise RetryableError(f"ended after {file_size(file)} of {total} bytes")


class _Session(requests.Session):
    """Ignores redirects: requests would read a redirect's complete body first."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


@contextmanager
def _open_response(
    url: str, headers: dict[str, str], patience: float
) -> Iterator[requests.Response]:
    """Send a request; give the response whose body has the file or a part of it."""
    if not hasattr(_sessions, "session"):
        _sessions.session = _Session()  # one for each thread
    session: _Session = _sessions.session
    timeout = (min(CONNECT_TIMEOUT, patience), patience)
    try:
        response = _follow_redirects(session, url, headers, timeout=timeout)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise RetryableError(f"no answer ({_cause(error)})") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as e:
        raise Unavailable(f"no answer that makes sense ({_cause(e)})") from e
    with response:
        reason = f"the server answers {response.status_code} {response.reason}"
        if response.status_code in RETRYABLE_STATUS:
            raise RetryableError(reason, _requested_pause(response))
        if response.status_code not in (200, 206, 416):
            raise Unavailable(reason)
        yield response


def _follow_redirects(
    session: _Session,
    url: str,
    headers: dict[str, str],
    *,
    timeout: tuple[float, float],
) -> requests.Response:
    """The response at the end of redirects, whose own bodies are not read."""
    for _ in range(MAX_REDIRECTS):
        response = session.get(
            url, headers=headers, stream=True, timeout=timeout, allow_redirects=False
        )
        target = requests.Session.get_redirect_target(session, response)
        if target is None:
            return response
        response.close()
        url = urljoin(url, target)
        if urlsplit(url).scheme not in ("http", "https"):
            raise Unavailable("no answer: the server's redirect leads out of HTTP")
    raise Unavailable("the server's redirects lead nowhere")


def _cause(error: BaseException) -> str:
    """The system's own message for an error.

    It does not contain the server's address, which must not appear in results.
    """
    message, cause = type(error).__name__, error.__context__
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            message = f"{type(cause).__name__}: {cause.reason or 'not trusted'}"
        elif isinstance(cause, OSError) and cause.strerror:
            message = cause.strerror
        cause = cause.__context__
    return message


def _requested_pause(response: requests.Response) -> float:
    """Seconds that the server asks to wait (Retry-After); 0 if it does not."""
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _read_body(response: requests.Response, config: FetchConfig) -> Iterator[bytes]:
    """The bytes of a response. Raises RetryableError where they stop or are slow."""
    start, received_bytes = time.monotonic(), 0
    while True:
        try:
            data = response.raw.read1(CHUNK_BYTES, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise RetryableError(f"nothing came for {config.patience:.0f} s") from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise RetryableError(f"the connection broke ({error})") from error
        except OSError as error:
            raise RetryableError(f"the connection broke ({error})") from error
        if not data:
            return
        yield data
        received_bytes += len(data)
        elapsed = time.monotonic() - start
        if elapsed > config.patience:
            if received_bytes < config.slowest * elapsed:
                raise TooSlow(f"only {received_bytes / elapsed:.0f} bytes/s come")
            start, received_bytes = time.monotonic(), 0


def _extent(response: requests.Response) -> tuple[int | None, int | None]:
    """Offset of a response's first byte in the file, and the file's length in bytes.

    None stands for what the server does not say.
    """
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    content_range = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", content_range)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _validator(response: requests.Response) -> str:
    """What identifies a version of the file: a strong ETag, or the date."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")
