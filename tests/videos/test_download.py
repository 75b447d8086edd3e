"""Downloads from a server that fails: whole and right, or nothing under the name."""

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
    FIRST_SUMS,
    fetch_files,
    read_first_sums,
    remember,
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
    monkeypatch.setattr("pipeline.videos.download.http.LONGEST_PAUSE", 0.05)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/a.mp4").write_bytes(CONTENT)
    server = FileServer(tmp_path / "served")
    yield server
    server.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "data/folder/a.mp4"


def get(server, place, known="", **how):
    hooks = Hooks(**how)
    return download(f"{server.address}/a.mp4", place, IMPATIENT, known, hooks)


def nothing_is_left_under(place) -> bool:
    return not place.exists()


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
def test_what_passes_ends_in_the_servers_bytes(server, place, faults):
    server.faults["a.mp4"] = list(faults)
    come = []
    assert get(server, place, count=come.append) == SHA256
    assert place.read_bytes() == CONTENT
    assert [p.name for p in place.parent.iterdir()] == ["a.mp4"]
    assert sum(come) >= len(CONTENT)


def test_a_dropped_download_goes_on_where_it_stopped(server, place):
    server.faults["a.mp4"] = ["drop 60000", "drop 20000"]
    get(server, place)
    assert [asked for _, asked in server.asked] == ["", "bytes=60000-", "bytes=80000-"]
    assert server.sent["a.mp4"] == len(CONTENT)


def test_it_goes_on_in_another_run_too(server, place):
    server.faults["a.mp4"] = ["drop 60000", "503", "503", "503", "503"]
    with pytest.raises(Unavailable, match=r"503.*given up after 4 tries"):
        get(server, place)
    assert nothing_is_left_under(place)
    get(server, place)
    assert server.asked[-1][1] == "bytes=60000-"
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize("validator", ["", "weak", "unvouched", "any range"])
def test_a_file_that_changed_meanwhile_is_begun_anew(server, place, validator):
    server.faults["a.mp4"] = ["drop 60000", "404"]
    with pytest.raises(Unavailable, match="404"):
        get(server, place)
    other = CONTENT[::-1]
    (server.root / "a.mp4").write_bytes(other)
    os.utime(server.root / "a.mp4", (1e9, 1e9))
    server.standing["a.mp4"] = validator
    assert get(server, place) == hashlib.sha256(other).hexdigest()
    assert place.read_bytes() == other


def test_without_a_note_nothing_is_pieced_together(server, place):
    (place.parent).mkdir(parents=True)
    part = place.with_name(".a.mp4.part")
    part.write_bytes(CONTENT[:100])  # of who knows what
    assert get(server, place) == SHA256
    assert server.asked == [("a.mp4", "")]


def test_without_a_validator_nothing_is_pieced_together(server, place):
    """Though the server would give the rest of it, whichever file that is by now."""
    server.faults["a.mp4"] = ["unvouched 60000", "404"]
    with pytest.raises(Unavailable, match="404"):
        get(server, place)
    other = CONTENT[::-1]
    (server.root / "a.mp4").write_bytes(other)
    server.standing["a.mp4"] = "unvouched"
    assert get(server, place) == hashlib.sha256(other).hexdigest()
    assert [asked for _, asked in server.asked] == ["", "", ""]


def test_another_servers_half_is_not_gone_on_with(server, place, tmp_path):
    server.faults["a.mp4"] = ["drop 60000", "404"]
    with pytest.raises(Unavailable):
        get(server, place)
    mirror = FileServer(server.root)
    assert download(f"{mirror.address}/a.mp4", place, IMPATIENT) == SHA256
    assert mirror.asked == [("a.mp4", "")]
    mirror.close()


@pytest.mark.parametrize(
    ("standing", "said"),
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
def test_what_lasts_is_said_and_leaves_nothing(server, place, standing, said):
    server.standing["a.mp4"] = standing
    with pytest.raises(Unavailable, match=said):
        get(server, place)
    assert nothing_is_left_under(place)


@pytest.mark.parametrize("standing", ["other", "short 5000"])
def test_wrong_bytes_are_refused_by_a_known_checksum(server, place, standing):
    server.standing["a.mp4"] = standing
    with pytest.raises(Unavailable, match=f"should be {SHA256}"):
        get(server, place, SHA256)
    assert nothing_is_left_under(place)
    assert len(server.asked) == 2  # once more, and no more
    del server.standing["a.mp4"]
    assert get(server, place, SHA256) == SHA256


def test_wrong_once_is_right_the_second_time(server, place):
    server.faults["a.mp4"] = ["other"]
    assert get(server, place, SHA256) == SHA256


def test_what_the_callers_check_refuses_gets_no_name(server, place):
    with pytest.raises(Unavailable, match="came whole, 2 times, but it is no good"):
        get(server, place, check=lambda path: "it is no good")
    assert nothing_is_left_under(place)
    assert not list(place.parent.iterdir())


def test_a_server_that_is_not_there(server, place):
    server.close()
    with pytest.raises(Unavailable, match=r"no answer \(Connection refused\)"):
        get(server, place)
    assert not list(place.parent.iterdir())


@pytest.mark.parametrize("place_told", ["http://[::1", "http://\xff\xfe/", "ftp://x/"])
def test_a_redirect_that_makes_no_sense(server, place, place_told):
    server.standing["a.mp4"] = f"moved {place_told}"
    with pytest.raises(Unavailable, match="no answer") as told:
        get(server, place)
    assert "127.0.0.1" not in str(told.value)
    assert nothing_is_left_under(place)


def test_a_server_whose_certificate_is_not_trusted(server, place, caplog):
    """Told without its address; here it speaks no TLS at all."""
    address = server.address.replace("http:", "https:")
    with pytest.raises(Unavailable, match="SSLError") as told:
        download(f"{address}/a.mp4", place, FetchConfig(attempts=1))
    assert "127.0.0.1" not in str(told.value)
    root = place.parents[1]
    list(fetch_files(address, root, ["a.mp4"], {}, FetchConfig(attempts=1)))
    assert "a.mp4: no answer" in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_disk_that_takes_a_part_at_a_time(server, place, monkeypatch):
    opened = open

    class Hesitant:
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

    def open_hesitantly(path, mode="r", **how):
        file = opened(path, mode, **how)
        return Hesitant(file) if mode == "ab" else file

    monkeypatch.setattr("builtins.open", open_hesitantly)
    assert get(server, place) == SHA256


def test_an_interrupt_reaches_one_that_waits_for_another_run(server, place, caplog):
    place.parent.mkdir(parents=True)

    def interrupt(seconds):
        raise KeyboardInterrupt

    with open(place.with_name(".a.mp4.part"), "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
            get(server, place, sleep=interrupt)
    assert "another run fetches it; waiting" in caplog.text
    assert get(server, place) == SHA256


def test_the_pause_is_as_long_as_the_server_asks(server, place, monkeypatch):
    monkeypatch.setattr("pipeline.videos.download.http.LONGEST_PAUSE", 60.0)
    server.faults["a.mp4"] = ["503 2"]
    start = time.monotonic()
    get(server, place)
    assert 2 <= time.monotonic() - start < 4


def test_names_are_quoted_in_addresses(server, tmp_path):
    name = 'b #?%41 "é".mp4'
    (server.root / name).write_bytes(CONTENT)
    root = tmp_path / "data"
    results = list(fetch_files(server.address, root, [name], {}, IMPATIENT))
    assert server.asked[0][0] == name
    assert "cannot be opened as a video" in results[0].problem  # it is none
    assert not (root / name).exists()


def test_where_nothing_comes_not_everything_is_tried(server, tmp_path):
    server.close()
    once = FetchConfig(attempts=1, connections=2)
    names = [f"{n}.mp4" for n in range(100)]
    results = list(fetch_files(server.address, tmp_path / "data", names, {}, once))
    assert sorted(one.name for one in results) == sorted(names)
    assert all(one.problem and one.unanswered for one in results)
    tried = [one for one in results if not one.problem.startswith("not tried, since")]
    assert 2 <= len(tried) < 30  # nothing has come at all
    assert not any("127.0.0.1" in one.problem for one in results)
    assert max(len(one.problem) for one in results) < 200


def test_answers_that_something_is_not_there_keep_nothing_else_waiting(
    server, tmp_path, real_video
):
    shutil.copy(real_video, server.root / "z.mp4")
    names = [*(f"{n}.mp4" for n in range(40)), "z.mp4"]
    once = FetchConfig(attempts=1, connections=2)
    root = tmp_path / "data"
    results = {
        one.name: one for one in fetch_files(server.address, root, names, {}, once)
    }
    assert results["z.mp4"].problem == ""
    assert all("404" in results[name].problem for name in names[:-1])
    assert len(server.asked) == 41


def test_a_file_that_is_there_goes_only_when_a_better_one_has_come(
    server, tmp_path, real_video
):
    root = tmp_path / "data"
    root.mkdir()
    (root / "z.mp4").write_text("of the user, and no video")
    ask = (server.address, root, ["z.mp4"], {}, FetchConfig(attempts=1))
    (one,) = fetch_files(*ask)
    assert "404" in one.problem
    assert one.sha256 == file_sha256(root / "z.mp4")
    assert (root / "z.mp4").read_text() == "of the user, and no video"
    shutil.copy(real_video, server.root / "z.mp4")
    (one,) = fetch_files(*ask)
    assert (one.problem, one.sha256) == ("", file_sha256(real_video))
    assert (root / "z.mp4").read_bytes() == real_video.read_bytes()


def test_a_torn_line_of_checksums_spoils_no_other(tmp_path):
    remember(tmp_path, "a.mp4", "a" * 64)
    with open(tmp_path / FIRST_SUMS, "a") as file:
        file.write("b" * 30)
    assert read_first_sums(tmp_path) == {"a.mp4": "a" * 64}
    remember(tmp_path, "c.mp4", "c" * 64)
    lines = (tmp_path / FIRST_SUMS).read_text().splitlines()
    assert lines == [f"{'a' * 64}  a.mp4", f"{'c' * 64}  c.mp4"]
    assert read_first_sums(tmp_path) == {"a.mp4": "a" * 64, "c.mp4": "c" * 64}


def test_one_try_that_brings_something_is_not_in_vain(server, place):
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


def test_killed_and_started_again_it_goes_on(server, place):
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


def test_an_interrupt_ends_it_at_once(server, tmp_path):
    """Also while files come slowly, and while pauses are waited out."""
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


def test_two_at_once_fetch_it_once(server, place):
    server.pace = 0.02
    processes = [start_getter(server, place) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert place.read_bytes() == CONTENT
    assert len(server.asked) == 1
