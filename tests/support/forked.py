"""Start `python -m <module>` without waiting for its imports.

The import of Snakemake, torch and similar libraries takes seconds of CPU, and the tests
start about a hundred programs. A server imports these libraries once. It forks for each
program that a test starts. Each program is a separate process with its own pid,
arguments, environment, folder and output, so a test can kill it. The server imports
nothing of `pipeline`, so each program runs the code on disk at its start.

`run` and `Popen` take the same commands and keywords as those of `subprocess`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ADDRESS = "DEEPFAKE_ATLAS_FORK_SERVER"  # environment variable: the path of the socket
PRELOADED_MODULES = (
    "snakemake.cli",
    "pandas",
    "pydantic",
    "sklearn.metrics",
    "matplotlib.pyplot",
    "h5py",
    "cv2",
    "av",
    "timm",
    "lightning_fabric",
    "captum.attr",
)


class Popen:
    """A program started by the server. Its command is [python, "-m", module, ...]."""

    def __init__(
        self,
        command: list[Any],
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        stdout: Any = None,
        stderr: Any = None,
        start_new_session: bool = False,
        text: bool = True,
    ) -> None:
        assert text
        words = [str(word) for word in command]
        assert words[:2] == [sys.executable, "-m"], words
        self.args = words
        self.returncode: int | None = None
        opened: list[int] = []  # this process closes them once the program has them
        self.stdout = self.stderr = None
        out, err = 1, 2
        if stdout is not None:
            out, self.stdout = _target(stdout, opened)
        if stderr is not None:
            err, self.stderr = _target(stderr, opened) if stderr != -2 else (out, None)
        request = {
            "words": words[2:],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "session": start_new_session,
        }
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(os.environ[ADDRESS])
        content = json.dumps(request).encode()
        head = len(content).to_bytes(8, "big")
        socket.send_fds(self.server, [head], [out, err])
        self.server.sendall(content)
        for number in opened:
            os.close(number)
        self.answers = self.server.makefile("r")
        self.pid = int(self.answers.readline())

    def poll(self) -> int | None:
        """The exit status, or None if the program still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program ends; return its exit status."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.server, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            answer = self.answers.readline()
            if not answer:
                raise RuntimeError("the server that programs are forked from has ended")
            self.returncode = int(answer)
            self.answers.close()
            self.server.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, ...]:
        """Wait until the program ends. Returns its stdout and stderr.

        Exactly one of them must be a pipe. The other is None.
        """
        pipes = self.stdout, self.stderr
        assert pipes.count(None) == 1
        printed = tuple(pipe and pipe.read() for pipe in pipes)
        self.wait(timeout)
        return printed

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _target(wanted: Any, opened: list[int]) -> tuple[int, IO[str] | None]:
    """The descriptor to which a program writes; for a pipe, also the file to read."""
    if wanted == subprocess.PIPE:
        reading, writing = os.pipe()
        opened.append(writing)
        return writing, open(reading)
    if wanted == subprocess.DEVNULL:
        opened.append(os.open(os.devnull, os.O_WRONLY))
        return opened[-1], None
    return wanted if isinstance(wanted, int) else wanted.fileno(), None


def run(
    command: list[Any],
    capture_output: bool = False,
    check: bool = False,
    stdout: Any = None,
    stderr: Any = None,
    **keywords: Any,
) -> subprocess.CompletedProcess:
    """Run a program and wait until it ends."""
    if capture_output:
        stdout = stderr = subprocess.PIPE
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        files = [
            file if wanted == subprocess.PIPE else wanted
            for wanted, file in ((stdout, out), (stderr, err))
        ]
        process = Popen(command, stdout=files[0], stderr=files[1], **keywords)
        process.wait()
        printed = []
        for wanted, file in ((stdout, out), (stderr, err)):
            file.seek(0)
            printed.append(file.read() if wanted == subprocess.PIPE else None)
    done = subprocess.CompletedProcess(process.args, process.returncode, *printed)
    if check:
        done.check_returncode()
    return done


class Server:
    """The server process. It imports nothing before the first request."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fork-server-")
        self.address = str(Path(self.folder.name) / "socket")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.address],
            stdin=subprocess.PIPE,
            env=environment,
        )
        deadline = time.monotonic() + 60
        while not Path(self.address).exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def _serve(address: str) -> Callable[[], None] | None:
    """Fork for each request until stdin ends.

    Returns None in the server. In a fork, returns the function that runs the program.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the tests
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address + ".new")
        listener.listen(64)
        os.rename(address + ".new", address)  # tests wait for this name
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == sys.stdin.fileno():
                    return None
                if key.data is None:
                    task = _answer(listener, selector)
                    if task is not None:
                        selector.close()
                        return task
                else:
                    pid, client = key.data
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with contextlib.suppress(OSError), client:
                        client.sendall(f"{code}\n".encode())


def _answer(
    listener: socket.socket, selector: selectors.BaseSelector
) -> Callable[[], None] | None:
    """Import the libraries, accept one request, and fork.

    Returns None in the server. In the fork, returns the function that runs the program.
    """
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    gc.freeze()  # otherwise garbage collection in a fork copies all that was imported
    client, _ = listener.accept()
    head, descriptors, _, _ = socket.recv_fds(client, 8, 2)
    with client.makefile("rb") as file:
        request = json.loads(file.read(int.from_bytes(head, "big")))
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        ended = os.pidfd_open(pid)  # readable once the program has ended
        selector.register(ended, selectors.EVENT_READ, (pid, client))
        return None
    if request["session"]:
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, descriptor in enumerate((nothing, *descriptors)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    for key in selector.get_map().values():
        if key.data is not None:  # the pid and the client of another program
            os.close(key.fd)
            key.data[1].close()
    client.sendall(f"{os.getpid()}\n".encode())
    client.close()
    return lambda: _become(request)


def _become(request: dict) -> None:
    """Run the module of the request as `python -m` does."""
    import random
    import runpy

    import numpy as np

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    more = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [request["cwd"], *filter(None, more), *sys.path[1:]]
    tempfile.tempdir = None
    random.seed()
    np.random.seed()
    module, *arguments = request["words"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end(error: BaseException | None) -> None:
    """Exit as the interpreter does, but do not free memory, which takes 1 s."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
        if code and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    todo = _serve(sys.argv[1])
    if todo is not None:
        try:
            todo()
        except BaseException as error:
            _end(error)
    _end(None)
