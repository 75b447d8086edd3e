"""A file server over real HTTP whose faults a test can choose."""

import email.utils
import hashlib
import http.server
import socket
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import unquote


class FileServer:
    """Serves the files below `root` at `prefix`, with ranges and validators.

    Attributes:
        faults: by path, the faults of the next requests, one for each request. See
            `_Handler._answer` for their names.
        standing: by path, the fault of every request that has none in `faults`.
        asked: path and Range header of each request.
        sent: by path, the number of bytes sent in bodies.
        pace: seconds between blocks of a body.
        now: number of requests that are being answered.
        most_at_once: the largest value of `now`.
    """

    def __init__(self, root: Path, prefix: str = "") -> None:
        self.root, self.prefix = root, prefix
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.standing: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.sent: Counter[str] = Counter()
        self.pace = 0.0
        self.most_at_once = self.now = 0
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"files": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fault_of(self, path: str) -> str:
        """The fault of the next request for this path, or ""."""
        with self.lock:
            queue = self.faults[path]
            return queue.pop(0) if queue else self.standing.get(path, "")


class _Handler(http.server.BaseHTTPRequestHandler):
    files: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        files = self.files
        path = unquote(self.path).removeprefix(files.prefix).lstrip("/")
        with files.lock:
            files.asked.append((path, self.headers.get("Range", "")))
            files.now += 1
            files.most_at_once = max(files.most_at_once, files.now)
        try:
            self._answer(path, files.fault_of(path))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with files.lock:
                files.now -= 1

    def _answer(self, path: str, fault: str) -> None:
        kind, _, number = fault.partition(" ")
        file = self.files.root / path
        if kind.isdecimal() or not file.is_file():
            self.send_response(int(kind or 404))
            if number:
                self.send_header("Retry-After", number)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if kind in (
            "redirect",
            "endless",
            "moved",
        ):  # to a file of this server; moved: to any address
            self.send_response(302)
            place = number if kind == "moved" else f"{self.files.prefix}/{number}"
            self.send_header("Location", place)
            if kind == "endless":  # the body never ends; clients should not read it
                self.end_headers()
                while True:
                    self.wfile.write(b"x" * 4096)
                    time.sleep(0.01)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = file.read_bytes()
        if kind == "other":  # the right length, but wrong bytes
            body = hashlib.shake_256(path.encode()).digest(len(body))
        if kind == "short":  # a wrong Content-Length, and as many bytes
            body = body[: int(number)]
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        date = email.utils.formatdate(file.stat().st_mtime, usegmt=True)
        start = self._start(tag, date, fault)
        if start >= len(body) > 0 and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            extent = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", extent)
        if kind != "unvouched":  # with a number, it breaks off after that many bytes
            self.send_header("ETag", f"W/{tag}" if kind == "weak" else tag)
            self.send_header("Last-Modified", date)
        rest = body[start:]
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for block in (rest[k : k + 1000] for k in range(0, len(rest), 1000)):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            self.wfile.write(b"0\r\n\r\n")
            return
        claimed = len(rest) + (int(number) if kind == "claims" else 0)
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        self._send(path, rest, kind, number)

    def _start(self, tag: str, date: str, fault: str) -> int:
        """The first byte to send: that of the Range header, or 0 for the full file."""
        asked = self.headers.get("Range", "")
        if not asked or fault == "no ranges":
            return 0
        condition = self.headers.get("If-Range", "")
        vouched = condition in (tag, date)
        vouched = vouched or (fault.startswith("unvouched") and not condition)
        if (
            not vouched and fault != "any range"
        ):  # "any range": like a server without If-Range
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _send(self, path: str, rest: bytes, kind: str, number: str) -> None:
        breaks = kind == "drop" or (kind == "unvouched" and number)
        if breaks:
            rest = rest[: int(number)]
        step = 1 if kind == "trickle" else 4096
        for k in range(0, len(rest), step):
            self.wfile.write(rest[k : k + step])
            self.files.sent[path] += len(rest[k : k + step])
            if kind == "trickle":
                time.sleep(0.05)
            elif self.files.pace:
                time.sleep(self.files.pace)
        if breaks or kind == "claims":
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
