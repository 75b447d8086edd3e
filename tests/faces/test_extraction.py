"""Extraction of a shard does not depend on workers, and no bad video stops it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from pipeline.config.faces import FacesConfig
from pipeline.faces.extraction_pool import Task, extract_all
from pipeline.faces.shards import FaceShard
from pipeline.files.checksums import (
    ChecksumError,
    file_sha256,
    take_checksums,
    write_checksums,
)
from pipeline.videos.status import USABLE_STATUSES
from tests.support.mutations import ffmpeg, mutations
from tests.support.runs import REPOSITORY

CONFIG = FacesConfig(frames=4, size=48, detector="haar", max_failed=1.0)


def extract_shard(root: Path, names: list[str], output: Path, config=CONFIG, workers=2):
    """Run the command of the rule on files below `root`; return its log."""
    table = pd.DataFrame({"video": names, "path": names, "mask": "", "label": 0})
    table = table.assign(method="youtube", split="test", problem="", mask_problem="")
    table = table.assign(subject_mask="")
    lists = output.with_suffix(".csv"), output.with_suffix(".sha256")
    table.to_csv(lists[0], index=False)
    write_checksums(take_checksums(root, names), lists[1])
    command = [sys.executable, "-m", "pipeline.extract_faces", "--table", lists[0]]
    command += ["--checksums", lists[1], "--root", root, "--output", output]
    command += ["--workers", str(workers), "--memory", "9000"]
    command += ["--config", config.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


@pytest.fixture
def many(corpus) -> tuple[Path, list[str]]:
    """A folder, and names of videos in it. The last video does not exist."""
    videos = sorted(corpus.rglob("c*/**/*.mp4"))
    return corpus, [*(str(path.relative_to(corpus)) for path in videos), "gone.mp4"]


def tasks(root: Path, names: list[str]) -> list[Task]:
    existing = [name for name in names if (root / name).exists()]
    sums = {name: {name: file_sha256(root / name)} for name in existing}
    return [Task(root, name, "", sums.get(name, {})) for name in names]


def test_a_shard_does_not_depend_on_workers_and_order(many, tmp_path):
    root, names = many
    shards = [tmp_path / f"{number}.h5" for number in range(3)]
    extract_shard(root, names, shards[0], workers=1)
    extract_shard(root, names, shards[1], workers=2)
    extract_shard(root, names[::-1], shards[2], workers=2)
    assert len({file_sha256(shard) for shard in shards}) == 1
    with FaceShard(shards[0]) as shard:
        status = shard.videos.set_index("video")["status"]
        assert status.index.tolist() == sorted(names)
        assert status.isin(USABLE_STATUSES).sum() == len(names) - 1
        assert status["gone.mp4"] == "missing"


def test_a_killed_worker_changes_no_result(many):
    """Its video is tried again."""
    root, names = many
    expected = list(extract_all(tasks(root, names), CONFIG, 2))
    killed = 0
    found = []
    for faces in extract_all(tasks(root, names * 2), CONFIG, 1):
        found.append(faces)
        if len(found) in (2, 5):
            killed += kill_a_worker()
    assert killed == 2
    for one, other in zip(found, expected * 2, strict=True):
        assert one.status == other.status
        if one.crops is not None:
            assert np.array_equal(one.crops, other.crops)


def workers() -> list[psutil.Process]:
    """The children of the fork server."""
    own = psutil.Process()
    found = []
    for child in own.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            if child.ppid() != own.pid:
                found.append(child)
    return found


def kill_a_worker() -> int:
    """Send SIGSEGV to a worker, if there is one. Returns the number of signals."""
    alive = workers()
    for worker in alive[:1]:
        worker.send_signal(signal.SIGSEGV)
    return min(1, len(alive))


def test_only_a_video_that_kills_its_worker_twice_fails(many, tmp_path):
    """Each worker that opens the long video is killed."""
    root, names = many
    long = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", "200", "-i", root / names[0], "-c", "copy", long)
    killed: set[int] = set()
    stop = threading.Event()

    def kill():
        while not stop.wait(0.01):
            for worker in workers():
                with contextlib.suppress(psutil.Error):
                    if any(file.path == str(long) for file in worker.open_files()):
                        worker.send_signal(signal.SIGSEGV)
                        killed.add(worker.pid)

    deadly = Task(tmp_path, "long.mp4", "", {"long.mp4": file_sha256(long)})
    jobs = [*tasks(root, names[:3]), deadly, *tasks(root, names[3:6])]
    watch = threading.Thread(target=kill)
    watch.start()
    try:
        config = CONFIG.model_copy(update={"frames": 10_000})
        found = list(extract_all(jobs, config, 2))
    finally:
        stop.set()
        watch.join()
    assert [faces.crops is None for faces in found] == [k == 3 for k in range(7)]
    assert found[3].status == "crashed"
    assert found[3].reason == "its worker died, 2 times: SIGSEGV"
    assert len(killed) == 2


def test_a_video_that_takes_too_long_times_out(many):
    root, names = many
    hasty = CONFIG.model_copy(update={"time_limit": 0.001})
    (faces,) = extract_all(tasks(root, names[:1]), hasty, 1)
    assert faces.status == "timeout"
    assert "faces.time_limit" in faces.reason


def test_a_file_that_differs_from_its_checksum_stops_the_job(many):
    root, names = many
    wrong = Task(root, names[0], "", {names[0]: "0" * 64})
    with pytest.raises(ChecksumError, match="changed since its checksum"):
        list(extract_all([wrong], CONFIG, 1))


ENDLESS_JOB = """
import itertools, sys
from pathlib import Path
from pipeline.files.checksums import file_sha256
from pipeline.config.faces import FacesConfig
from pipeline.faces.extraction_pool import Task, extract_all
if __name__ == "__main__":
    root, *names = sys.argv[1:]
    sums = {name: file_sha256(Path(root, name)) for name in names}
    tasks = (Task(Path(root), n, "", {n: sums[n]}) for n in itertools.cycle(names))
    config = FacesConfig(frames=4, size=48, detector="haar")
    for _ in extract_all(tasks, config, 2):
        print("one", flush=True)
"""


def test_workers_end_when_their_job_is_killed(many, tmp_path):
    root, names = many
    script = tmp_path / "job.py"
    script.write_text(ENDLESS_JOB)
    job = subprocess.Popen(
        [sys.executable, script, root, *names[:3]],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert job.stdout is not None
    job.stdout.readline()
    family = psutil.Process(job.pid).children(recursive=True)
    assert len(family) >= 3
    job.kill()
    job.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


@pytest.mark.slow
def test_damaged_videos_give_crops_or_a_row_with_a_reason(tmp_path):
    from pipeline.videos.miniature.corpus import write_video
    from pipeline.videos.miniature.scene import real_frames
    from tests.support.drawn import plain_scene

    root = tmp_path / "videos"
    root.mkdir()
    clip = tmp_path / "clip.mp4"
    write_video(clip, real_frames(plain_scene(0, 0, 30)), 23)
    (tmp_path / "sound").mkdir()
    names = []
    for name, content in mutations(clip, tmp_path / "sound", seed=0):
        (root / name).write_bytes(content)
        names.append(name)
    assert len(set(names)) == len(names) >= 400
    began = time.monotonic()
    config = CONFIG.model_copy(update={"time_limit": 20.0})
    log = extract_shard(root, names, tmp_path / "shard.h5", config)
    print(f"{len(names)} files in {time.monotonic() - began:.0f} s")
    with FaceShard(tmp_path / "shard.h5") as shard:
        videos, frames = shard.videos, shard.frames
        crops = shard.crops[:]
    print(videos["status"].value_counts())
    assert sorted(videos["video"]) == sorted(names)
    usable = videos["status"].isin(USABLE_STATUSES)
    assert (videos["crops"][~usable] == 0).all()
    assert (videos["reason"][videos["status"] != "ok"] != "").all()
    assert set(videos["status"]) <= {*USABLE_STATUSES, "unreadable", "empty", "no_face"}
    ok = videos[videos["status"] == "ok"]
    assert (ok["crops"] == 4).all()
    assert (frames.groupby("video").size() == videos["crops"][usable]).all()
    sound = videos["video"].str.startswith("sound_")
    assert (videos["status"][sound] == "ok").all()
    assert "Traceback" not in log
    # Crops of accepted videos show the face; bit flips that no decoder notices leave
    # marks.
    sound_plain = videos.index[videos["video"] == "sound_plain.mp4"][0]
    faces = crops[frames["video"] == sound_plain].astype(int)
    away = np.array([np.abs(crop - faces).mean((1, 2, 3)).min() for crop in crops])
    assert np.median(away) < 5
    assert (away < 25).mean() > 0.97
