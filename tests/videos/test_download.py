"""Downloads from a failing server give the right file, or no file at all."""

import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipeline.config.fetch import FetchConfig
from pipeline.files.checksums import file_sha256
from pipeline.videos.download.dataset import (
    MANIFEST,
    add_to_manifest,
    fetch_files,
    read_manifest,
)
from pipeline.videos.download.http import Unavailable, download
from pipeline.videos.download.partial_file import Hooks
from tests.support.runs import REPOSITORY
from tests.support.servers import FileServer

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()
IMPATIENT = FetchConfig(attempts=4, patience=0.5)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.videos.download.http.MAX_PAUSE", 0.05)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/a.mp4").write_bytes(CONTENT)
    server = FileServer(tmp_path / "served")
    yield server
    server.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "data/folder/a.mp4"


def get(server, place, known="", **functions):
    hooks = Hooks(**functions)
    url = f"{server.address}/a.mp4"
    return download(url, place, IMPATIENT, known_sha256=known, hooks=hooks)


@pytest.mark.parametrize(
    "faults",
    [
        [],
        ["503"],
        ["503", "500", "429"],
        ["drop 5000"],
        ["drop 5000", "drop 1", "drop 0", "drop 9999"],
        ["drop 5000", "no ranges"],
        ["drop 5000", "503", "drop 70000"],
        ["claims 50"],
        ["trickle", ""],
        ["chunked"],
        ["unvouched"],
        ["redirect a.mp4"],
        ["endless a.mp4"],
        ["redirect a.mp4", "drop 100", "redirect a.mp4"],
        ["weak"],
    ],
    ids=" ".join,
)
def test_temporary_faults_still_give_the_servers_bytes(server, place, faults):
    server.faults["a.mp4"] = list(faults)
    received = []
    assert get(server, place, on_bytes=received.append) == SHA256
    assert place.read_bytes() == CONTENT
    assert [p.name for p in place.parent.iterdir()] == ["a.mp4"]
    assert sum(received) >= len(CONTENT)


def test_an_interrupted_download_is_resumed(server, place):
    server.faults["a.mp4"] = ["drop 60000", "drop 20000"]
    get(server, place)
    assert [asked for _, asked in server.asked] == ["", "bytes=60000-", "bytes=80000-"]
    assert server.sent["a.mp4"] == len(CONTENT)


def test_another_run_resumes_a_download(server, place):
    server.faults["a.mp4"] = ["drop 60000", "503", "503", "503", "503"]
    with pytest.raises(Unavailable, match=r"503.*given up after 4 tries"):
        get(server, place)
    assert not place.exists()
    get(server, place)
    assert server.asked[-1][1] == "bytes=60000-"
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize("validator", ["", "weak", "unvouched", "any range"])
def test_a_file_that_changed_on_the_server_is_fetched_from_the_start(
    server, place, validator
):
    server.faults["a.mp4"] = ["drop 60000", "404"]
    with pytest.raises(Unavailable, match="404"):
        get(server, place)
    other = CONTENT[::-1]
    (server.root / "a.mp4").write_bytes(other)
    os.utime(server.root / "a.mp4", (1e9, 1e9))
    server.standing["a.mp4"] = validator
    assert get(server, place) == hashlib.sha256(other).hexdigest()
    assert place.read_bytes() == other


def test_a_partial_file_without_resume_state_is_discarded(server, place):
    (place.parent).mkdir(parents=True)
    part = place.with_name(".a.mp4.part")
    part.write_bytes(CONTENT[:100])  # of an unknown file
    assert get(server, place) == SHA256
    assert server.asked == [("a.mp4", "")]


def test_a_partial_file_without_validator_is_discarded(server, place):
    """The server would send the rest, but perhaps of another version of the file."""
    server.faults["a.mp4"] = ["unvouched 60000", "404"]
    with pytest.raises(Unavailable, match="404"):
        get(server, place)
    other = CONTENT[::-1]
    (server.root / "a.mp4").write_bytes(other)
    server.standing["a.mp4"] = "unvouched"
    assert get(server, place) == hashlib.sha256(other).hexdigest()
    assert [asked for _, asked in server.asked] == ["", "", ""]


def test_a_partial_file_from_another_server_is_discarded(server, place, tmp_path):
    server.faults["a.mp4"] = ["drop 60000", "404"]
    with pytest.raises(Unavailable):
        get(server, place)
    mirror = FileServer(server.root)
    assert download(f"{mirror.address}/a.mp4", place, IMPATIENT) == SHA256
    assert mirror.asked == [("a.mp4", "")]
    mirror.close()


@pytest.mark.parametrize(
    ("standing", "message"),
    [
        ("404", "404"),
        ("403", "403"),
        ("503", "given up after 4 tries in vain"),
        ("trickle", "bytes/s come"),
        ("drop 0", "0 bytes read, 102400 more expected"),
        ("claims 50", "given up after 4 tries in vain"),
        ("redirect a.mp4", "redirects"),
    ],
)
def test_permanent_faults_are_reported_and_leave_no_file(
    server, place, standing, message
):
    server.standing["a.mp4"] = standing
    with pytest.raises(Unavailable, match=message):
        get(server, place)
    assert not place.exists()


@pytest.mark.parametrize("standing", ["other", "short 5000"])
def test_a_known_checksum_refuses_wrong_bytes(server, place, standing):
    server.standing["a.mp4"] = standing
    with pytest.raises(Unavailable, match=f"should be {SHA256}"):
        get(server, place, SHA256)
    assert not place.exists()
    assert len(server.asked) == 2  # one more attempt only
    del server.standing["a.mp4"]
    assert get(server, place, SHA256) == SHA256


def test_a_corrupt_download_is_repeated(server, place):
    server.faults["a.mp4"] = ["other"]
    assert get(server, place, SHA256) == SHA256


def test_a_file_that_the_callers_check_refuses_is_not_kept(server, place):
    with pytest.raises(Unavailable, match="came whole, 2 times, but it is bad"):
        get(server, place, check=lambda path: "it is bad")
    assert not place.exists()
    assert not list(place.parent.iterdir())


def test_a_server_that_does_not_listen(server, place):
    server.close()
    with pytest.raises(Unavailable, match=r"no answer \(Connection refused\)"):
        get(server, place)
    assert not list(place.parent.iterdir())


@pytest.mark.parametrize("target", ["http://[::1", "http://\xff\xfe/", "ftp://x/"])
def test_a_redirect_to_an_invalid_address(server, place, target):
    server.standing["a.mp4"] = f"moved {target}"
    with pytest.raises(Unavailable, match="no answer") as caught:
        get(server, place)
    assert "127.0.0.1" not in str(caught.value)
    assert not place.exists()


def test_a_server_whose_certificate_is_not_trusted(server, place, caplog):
    """The message lacks the server's address. This server does not support TLS."""
    address = server.address.replace("http:", "https:")
    with pytest.raises(Unavailable, match="SSLError") as caught:
        download(f"{address}/a.mp4", place, FetchConfig(attempts=1))
    assert "127.0.0.1" not in str(caught.value)
    root = place.parents[1]
    list(fetch_files(address, root, ["a.mp4"], {}, FetchConfig(attempts=1)))
    assert "a.mp4: no answer" in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_disk_that_accepts_only_a_part_of_each_write(server, place, monkeypatch):
    builtin_open = open

    class PartialWriter:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            return self.file.write(data[:1000])

    def open_partial_writer(path, mode="r", **options):
        file = builtin_open(path, mode, **options)
        return PartialWriter(file) if mode == "ab" else file

    monkeypatch.setattr("builtins.open", open_partial_writer)
    assert get(server, place) == SHA256


def test_a_download_that_waits_for_another_run_can_be_interrupted(
    server, place, caplog
):
    place.parent.mkdir(parents=True)

    def interrupt(seconds):
        raise KeyboardInterrupt

    with open(place.with_name(".a.mp4.part"), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
            get(server, place, sleep=interrupt)
    assert "another run fetches it; waiting" in caplog.text
    assert get(server, place) == SHA256


def test_a_file_system_without_locks(server, place, tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    assert get(server, place) == SHA256
    add_to_manifest(tmp_path, "a.mp4", SHA256)
    assert read_manifest(tmp_path) == {"a.mp4": SHA256}


def test_the_pause_is_as_long_as_the_server_requests(server, place, monkeypatch):
    monkeypatch.setattr("pipeline.videos.download.http.MAX_PAUSE", 60.0)
    server.faults["a.mp4"] = ["503 2"]
    start = time.monotonic()
    get(server, place)
    assert 2 <= time.monotonic() - start < 4


def test_names_are_percent_encoded_in_addresses(server, tmp_path):
    name = 'b #?%41 "é".mp4'
    (server.root / name).write_bytes(CONTENT)
    root = tmp_path / "data"
    results = list(fetch_files(server.address, root, [name], {}, IMPATIENT))
    assert server.asked[0][0] == name
    assert "cannot be opened as a video" in results[0].problem  # it is not a video
    assert not (root / name).exists()


def test_a_silent_server_is_not_asked_for_every_file(server, tmp_path):
    server.close()
    once = FetchConfig(attempts=1, connections=2)
    names = [f"{n}.mp4" for n in range(100)]
    results = list(fetch_files(server.address, tmp_path / "data", names, {}, once))
    assert sorted(result.name for result in results) == sorted(names)
    assert all(result.problem and result.unanswered for result in results)
    problems = [result.problem for result in results]
    tried = [p for p in problems if not p.startswith("not tried, since")]
    assert 2 <= len(tried) < 30  # nothing was received at all
    assert not any("127.0.0.1" in problem for problem in problems)
    assert max(map(len, problems)) < 200


def test_missing_files_do_not_stop_the_fetch_of_others(server, tmp_path, real_video):
    shutil.copy(real_video, server.root / "z.mp4")
    names = [*(f"{n}.mp4" for n in range(40)), "z.mp4"]
    once = FetchConfig(attempts=1, connections=2)
    root = tmp_path / "data"
    fetched = fetch_files(server.address, root, names, {}, once)
    results = {result.name: result for result in fetched}
    assert results["z.mp4"].problem == ""
    assert all("404" in results[name].problem for name in names[:-1])
    assert len(server.asked) == 41


def test_an_unusable_file_is_replaced_only_by_a_valid_one(server, tmp_path, real_video):
    root = tmp_path / "data"
    root.mkdir()
    (root / "z.mp4").write_text("from the user, but not a video")
    arguments = (server.address, root, ["z.mp4"], {}, FetchConfig(attempts=1))
    (result,) = fetch_files(*arguments)
    assert "404" in result.problem
    assert result.sha256 == file_sha256(root / "z.mp4")
    assert (root / "z.mp4").read_text() == "from the user, but not a video"
    shutil.copy(real_video, server.root / "z.mp4")
    (result,) = fetch_files(*arguments)
    assert (result.problem, result.sha256) == ("", file_sha256(real_video))
    assert (root / "z.mp4").read_bytes() == real_video.read_bytes()


def test_an_unfinished_line_of_the_manifest_is_removed(tmp_path):
    add_to_manifest(tmp_path, "a.mp4", "a" * 64)
    with open(tmp_path / MANIFEST, "a") as file:
        file.write("b" * 30)
    assert read_manifest(tmp_path) == {"a.mp4": "a" * 64}
    add_to_manifest(tmp_path, "c.mp4", "c" * 64)
    lines = (tmp_path / MANIFEST).read_text().splitlines()
    assert lines == [f"{'a' * 64}  a.mp4", f"{'c' * 64}  c.mp4"]
    assert read_manifest(tmp_path) == {"a.mp4": "a" * 64, "c.mp4": "c" * 64}


def test_an_attempt_that_receives_something_does_not_count_as_failed(server, place):
    server.faults["a.mp4"] = ["drop 60000", "drop 10000"]
    once = FetchConfig(attempts=1)
    assert download(f"{server.address}/a.mp4", place, once) == SHA256


GETTER = """
import sys
from pathlib import Path
from pipeline.files.checksums import file_sha256
from pipeline.config.fetch import FetchConfig
from pipeline.videos.download.http import download
download(sys.argv[1], Path(sys.argv[2]), FetchConfig())
"""


def start_getter(server, place) -> subprocess.Popen:
    address = f"{server.address}/a.mp4"
    command = [sys.executable, "-c", GETTER, address, str(place)]
    return subprocess.Popen(command, cwd=REPOSITORY)


def test_a_killed_download_is_resumed(server, place):
    server.pace = 0.05
    process = start_getter(server, place)
    part = place.with_name(".a.mp4.part")
    while not part.exists() or part.stat().st_size < 20_000:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert not place.exists()
    server.pace = 0.0
    get(server, place)
    assert server.asked[-1][1] == f"bytes={kept}-"
    assert place.read_bytes() == CONTENT


FETCHER = """
import sys
from pathlib import Path
from pipeline.config.fetch import FetchConfig
from pipeline.videos.download.dataset import fetch_files
names = [f"{n}.mp4" for n in range(20)]
list(fetch_files(sys.argv[1], Path(sys.argv[2]), names, {}, FetchConfig(patience=10)))
"""


def test_an_interrupt_ends_a_fetch_at_once(server, tmp_path):
    """Also while files are received slowly, and during pauses."""
    for n in range(20):
        (server.root / f"{n}.mp4").write_bytes(CONTENT * 100)
        server.standing[f"{n}.mp4"] = "503 60" if n % 2 else ""
    server.pace = 0.05
    command = [sys.executable, "-c", FETCHER, server.address, str(tmp_path / "data")]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    while len(server.asked) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert time.monotonic() - start < 8


def test_two_processes_fetch_a_file_only_once(server, place):
    server.pace = 0.02
    processes = [start_getter(server, place) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert place.read_bytes() == CONTENT
    assert len(server.asked) == 1
