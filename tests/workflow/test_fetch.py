"""Fetching a data set through the workflow, from a server that serves it and fails."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.miniature import MiniatureConfig
from pipeline.orchestration.run_summary import summarize
from pipeline.videos.download.dataset import MANIFEST
from pipeline.videos.sources.miniature import miniature_pairs
from tests.support import forked
from tests.support.disks import SmallDisk, needs_mount
from tests.support.runs import ONE_MODEL, Run
from tests.support.servers import FileServer

TARGETS = ("results/videos", "results/videos", "results/faces")
FETCH = {"attempts": 2, "patience": 5}


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory) -> Path:
    """The miniature corpus in the official layout, as a server has it."""
    folder = tmp_path_factory.mktemp("served") / "v3"
    shutil.copytree(finished.folder / "data/miniature", folder)
    splits = folder / "misc/splits"
    splits.mkdir(parents=True)
    sizes = MiniatureConfig(train_pairs=1, val_pairs=1, test_pairs=1)
    for split, pairs in miniature_pairs(sizes).items():
        (splits / f"{split}.json").write_text(json.dumps(pairs))
    return folder


@pytest.fixture
def server(served, tmp_path):
    """Serves a copy of the corpus, which a test may change."""
    copy = tmp_path / "server"
    shutil.copytree(served, copy / "v3")
    server = FileServer(copy)
    yield server
    server.close()


def from_server(server, folder: Path, changes: dict | None = None) -> Run:
    """A run whose only source is FaceForensics++ from the server."""
    source = {
        "server": server.address,
        "agree_to_terms": True,
        "splits": f"{server.address}/v3/misc/splits",
        "official_splits": False,
        "shards": {"train": 1, "val": 1, "test": 2},
    }
    base = {**ONE_MODEL, "sources": {"faceforensics": source}, "fetch": FETCH}
    return Run(folder).configure(changes, base)


def on_disk(root: Path, folder: Path) -> Run:
    source = {
        "root": str(root),
        "splits": str(root / "misc/splits"),
        "official_splits": False,
        "shards": {"train": 1, "val": 1, "test": 2},
    }
    base = {**ONE_MODEL, "sources": {"faceforensics": source}}
    return Run(folder).configure({}, base)


def videos(run: Run) -> list[Path]:
    return sorted((run.folder / "data/FaceForensics++").rglob("*.mp4"))


def test_fetched_videos_are_the_servers_and_are_fetched_once(server, served, tmp_path):
    run = from_server(server, tmp_path / "run")
    run.snakemake("videos")
    root = run.folder / "data/FaceForensics++"
    names = [str(path.relative_to(root)) for path in videos(run)]
    assert len(names) == 30 + 24  # videos and masks
    for name in names:
        assert (root / name).read_bytes() == (served / name).read_bytes()
    assert not list(root.rglob("*.part*"))
    subprocess.run(["sha256sum", "-c", "--quiet", MANIFEST], cwd=root, check=True)
    assert server.most_at_once <= 4
    table = pd.read_csv(run.folder / "results/videos/faceforensics-train-000.csv")
    assert (table["bytes"] > 0).all()
    assert (table["sha256"].str.len() == 64).all()
    asked = len(server.asked)
    assert asked == len(names) + 3
    assert "Nothing to be done" in run.snakemake("videos")
    # A deleted table is written again from the files on disk, without the server.
    (run.folder / "results/videos/faceforensics-test-000.csv").unlink()
    server.close()
    run.snakemake("videos")
    assert len(server.asked) == asked


@pytest.mark.slow(minutes=2)
def test_served_or_on_disk_the_metrics_are_the_same(server, served, tmp_path):
    one, other = from_server(server, tmp_path / "a"), on_disk(served, tmp_path / "b")
    for run in (one, other):
        run.snakemake("all")
        assert "Nothing to be done" in run.snakemake("all")
    first, second = one.csvs(), other.csvs()
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == set()
    assert b"faceforensics" in first["metrics/videos.csv"]


VIDEO = "v3/manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"


def shard_table(run: Run, split: str = "train") -> pd.DataFrame:
    file = run.folder / f"results/videos/faceforensics-{split}-000.csv"
    return pd.read_csv(file, keep_default_na=False).set_index("video")


@pytest.mark.slow
def test_a_video_that_cannot_be_fetched_is_a_row_with_a_reason(server, tmp_path):
    server.standing[VIDEO] = "404"
    run = from_server(server, tmp_path / "run", {"faces": {"max_failed": 0.5}})
    run.snakemake("faces")
    row = shard_table(run).loc["faceforensics/c23/FaceSwap/000_001"]
    assert (row["bytes"], row["sha256"]) == (0, "")
    assert row["problem"] == "the server answers 404 Not Found"  # and no address
    summary = pd.read_csv(run.folder / "results/faces/summary.csv").set_index("video")
    row = summary.loc["faceforensics/c23/FaceSwap/000_001"]
    assert (row["status"], row["crops"]) == ("missing", 0)
    assert "404" in row["reason"]
    assert (summary["crops"] > 0).sum() == 29
    assert server.address not in (run.folder / "results/faces/summary.csv").read_text()


@pytest.mark.slow
def test_a_mask_that_cannot_be_fetched_is_reported_beside_its_video(server, tmp_path):
    server.standing[VIDEO.replace("c23", "masks")] = "404"
    run = from_server(server, tmp_path / "run")
    run.snakemake("faces")
    row = shard_table(run).loc["faceforensics/c23/FaceSwap/000_001"]
    assert row["bytes"] > 0
    assert row["problem"] == ""
    assert row["mask_problem"] == "the server answers 404 Not Found"
    summary = pd.read_csv(run.folder / "results/faces/summary.csv").set_index("video")
    row = summary.loc["faceforensics/c23/FaceSwap/000_001"]
    assert row["crops"] > 0
    assert not row["has_mask"]
    assert "its mask: the server answers 404" in row["reason"]
    shards = [table.stem for table in run.folder.glob("results/videos/*.csv")]
    told = summarize(run.folder / "results", shards)
    assert "1 videos or masks could not be obtained" in told


@pytest.mark.slow
def test_too_many_missing_files_fail_the_step_and_are_named(server, tmp_path):
    lost = [VIDEO, VIDEO.replace("FaceSwap", "Deepfakes")]
    server.standing |= dict.fromkeys(lost, "404")
    run = from_server(server, tmp_path / "run")
    printed = run.snakemake("videos", check=False)
    assert run.code != 0
    assert "2 of 18 files could not be fetched, more than the share 0.02" in printed
    assert all(f"  {name.removeprefix('v3/')}: the server" in printed for name in lost)
    assert not (run.folder / "results/videos/faceforensics-train-000.csv").exists()
    server.standing.clear()
    server.asked.clear()
    run.snakemake("videos")
    assert {path for path, _ in server.asked} == set(lost)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("other", "cannot be opened as a video"),
        ("short 3000", "cannot be opened as a video"),
        ("claims 10", "given up after 2 tries"),
    ],
)
def test_lasting_faults_leave_no_file(server, tmp_path, fault, said):
    server.standing[VIDEO] = fault
    run = from_server(server, tmp_path / "run", {"fetch": {"unanswered": "skip"}})
    run.snakemake("videos")  # a single one does not fail a step
    assert said in shard_table(run).loc["faceforensics/c23/FaceSwap/000_001"]["problem"]
    assert not any(
        path.name == "000_001.mp4" and "FaceSwap/c23" in str(path)
        for path in videos(run)
    )
    assert len(videos(run)) == 53


@pytest.mark.slow
def test_a_server_that_does_not_answer_fails_the_step(server, tmp_path):
    """A row with a reason would leave the video out of all later runs."""
    server.standing[VIDEO] = "503"
    run = from_server(server, tmp_path / "run")
    printed = run.snakemake("videos", check=False)
    assert run.code != 0
    assert "the server did not answer for 1 files" in printed
    assert f"  {VIDEO.removeprefix('v3/')}: the server answers 503" in printed
    assert not (run.folder / "results/videos/faceforensics-train-000.csv").exists()
    server.standing.clear()
    server.asked.clear()
    run.snakemake("videos")
    assert VIDEO in dict(server.asked)
    assert (shard_table(run)["problem"] == "").all()


@needs_mount
def test_a_full_data_disk_is_reported_with_its_folder(server, tmp_path):
    run = from_server(server, tmp_path / "run")
    with SmallDisk(run.folder / "data/FaceForensics++") as disk:
        disk.mount("size=100k")
        printed = run.snakemake("videos", check=False)
        assert run.code != 0
        assert "data/FaceForensics++: No space left on device" in printed
        assert "set sources.faceforensics.root to another folder" in printed
        disk.mount("remount,size=100m")
        run.snakemake("videos")
        assert len(videos(run)) == 54


@pytest.mark.slow
def test_a_file_that_changed_on_the_server_is_refused(server, tmp_path):
    run = from_server(server, tmp_path / "run")
    run.snakemake("videos")
    here = run.folder / "data/FaceForensics++" / VIDEO.removeprefix("v3/")
    here.unlink()
    other = server.root / VIDEO.replace("000_001", "001_000")
    (server.root / VIDEO).write_bytes(other.read_bytes())  # a video, but another one
    (run.folder / "results/videos/faceforensics-train-000.csv").unlink()
    run.snakemake("videos")
    problem = shard_table(run).loc["faceforensics/c23/FaceSwap/000_001"]["problem"]
    assert "its SHA-256 is" in problem
    assert (
        "SHA256SUMS says: remove its line if the server's file has changed" in problem
    )
    assert not here.exists()


@pytest.mark.slow
def test_a_file_that_changed_on_disk_is_reported(server, tmp_path):
    run = from_server(server, tmp_path / "run")
    run.snakemake("videos")
    here = run.folder / "data/FaceForensics++" / VIDEO.removeprefix("v3/")
    here.write_bytes(here.read_bytes()[:-1])
    (run.folder / "results/videos/faceforensics-train-000.csv").unlink()
    printed = run.snakemake("videos", check=False)
    assert run.code != 0
    assert "Delete it to have it fetched again" in printed
    here.unlink()
    run.snakemake("videos")
    assert here.stat().st_size == (server.root / VIDEO).stat().st_size


def test_without_terms_nothing_is_asked_of_the_server(server, tmp_path):
    agreed = {"sources": {"faceforensics": {"agree_to_terms": False}}}
    run = from_server(server, tmp_path / "run", agreed)
    printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert "set agree_to_terms: true. Only the authors can give access" in printed
    assert not server.asked


def wait_for(condition, process: forked.Popen) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_fetch_continues_where_it_stopped(server, tmp_path):
    server.pace = 0.2
    run = from_server(server, tmp_path / "run")
    process = run.start("videos")
    root = run.folder / "data/FaceForensics++"
    wait_for(lambda: len(videos(run)) >= 10, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    complete = {f"v3/{path.relative_to(root)}" for path in videos(run)}
    partial = {
        f"v3/{part.parent.relative_to(root)}/{part.name[1:-5]}": part.stat().st_size
        for part in root.rglob(".*.part")
    }
    assert partial
    server.pace = 0.0
    server.asked.clear()
    server.sent.clear()
    run.snakemake("videos")
    asked = dict(server.asked)
    assert not complete & asked.keys()
    for path, size in partial.items():
        if size:
            assert asked[path] == f"bytes={size}-"
        rest = (server.root / path).stat().st_size - size
        assert server.sent[path] == rest
    assert len(videos(run)) == 54
    subprocess.run(["sha256sum", "-c", "--quiet", MANIFEST], cwd=root, check=True)


@pytest.mark.slow
def test_one_job_fetches_at_a_time_whatever_the_command_line_limits(server, tmp_path):
    """`--resources gpu=1` replaces a profile's limits, and must not lift this one."""
    server.pace = 0.02
    run = from_server(server, tmp_path / "run", {"fetch": {"connections": 3}})
    run.snakemake("videos", "--resources", "gpu=1")
    assert server.most_at_once == 3


@pytest.mark.slow
def test_retinafaces_weights_are_fetched_with_their_checksum(server, tmp_path):
    import torch
    from retinaface.model.retinaface_pth_model import RetinaFace

    torch.save(RetinaFace().state_dict(), server.root / "weights.pth")
    address = f"{server.address}/weights.pth"
    faces = {"detector": "retinaface", "retinaface_address": address}
    run = from_server(server, tmp_path / "run", {"faces": faces})
    assert "fetch_face_detector" in run.stale()
    wanted = "results/faces/weights/retinaface.pth"
    run.snakemake(wanted)
    folder = run.folder / "results/faces/weights"
    assert (run.folder / wanted).read_bytes() == (
        server.root / "weights.pth"
    ).read_bytes()
    subprocess.run(["sha256sum", "-c", "retinaface.sha256"], cwd=folder, check=True)
    assert "fetch_face_detector" not in run.stale()
    given = {"detector": "retinaface", "retinaface_weights": wanted}
    run = from_server(server, run.folder, {"faces": given})
    assert "fetch_face_detector" not in run.stale()


@pytest.mark.slow
def test_what_is_no_file_of_weights_is_not_kept(server, tmp_path):
    (server.root / "weights.pth").write_bytes(b"<html>not found</html>")
    address = f"{server.address}/weights.pth"
    faces = {"detector": "retinaface", "retinaface_address": address}
    run = from_server(server, tmp_path / "run", {"faces": faces})
    printed = run.snakemake("results/faces/weights/retinaface.pth", check=False)
    assert run.code != 0
    assert "set faces.retinaface_weights to the file" in printed
    assert not (run.folder / "results/faces/weights/retinaface.pth").exists()
