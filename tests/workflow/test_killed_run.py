"""A run that is disturbed in every stage ends as an undisturbed one."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time

import pytest

from tests.support.disks import MAY_MOUNT, SmallDisk
from tests.support.runs import Run

# Each stage, and the target that leads to it.
STAGES = {
    "render_videos": "faces",
    "checksum_videos": "faces",
    "extract_faces": "faces",
    "summarize_faces": "faces",
    "train_model": "models",
    "predict_frames": "metrics",
    "choose_operating_point": "metrics",
    "evaluate_model": "metrics",
    "collect_metrics": "metrics",
    "attribute_frames": "atlases",
    "sum_attributions": "atlases",
    "draw_atlas": "atlases",
}


def kill_in(run: Run, stage: str, delay: float) -> None:
    """Start the run and kill its process group as soon as a job of `stage` runs."""
    logs = run.folder / "results/logs" / stage
    single = logs.with_suffix(".log")

    def written() -> dict:
        return {
            p: p.stat().st_mtime_ns
            for p in (*logs.rglob("*.log"), single)
            if p.exists()
        }

    before = written()
    process = run.start(STAGES[stage])
    deadline = time.monotonic() + 300
    while written() == before:
        assert process.poll() is None, f"the run ended before a job of {stage}"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(delay)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Snakemake's jobs are in its group: nothing of the run must be left.
    for _ in range(100):
        if not group_lives(process.pid):
            return
        time.sleep(0.05)
    raise AssertionError("a job survived its run")


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run_out_of_space(run: Run, disk: SmallDisk) -> None:
    """A run on a full disk says what to do, and leaves nothing half written."""
    disk.leave(300_000)  # bytes: less than the crops of two shards take
    printed = run.snakemake("all", check=False)
    assert run.code != 0
    assert "No space left on device" in printed
    assert "free space" in printed
    assert not list((run.folder / "results").rglob("*.part.*"))
    disk.mount("remount,size=100m")


@pytest.mark.slow(minutes=4)
def test_killed_in_each_stage_and_once_out_of_space(finished, tmp_path):
    """Only root can mount a disk to fill; anybody else's run is only killed."""
    run = Run(tmp_path / "run").configure()
    with contextlib.ExitStack() as stack:
        disk = None
        if MAY_MOUNT:
            disk = stack.enter_context(SmallDisk(run.folder / "results"))
            disk.mount("size=100m")
        for index, stage in enumerate(STAGES):
            if stage == "extract_faces" and disk is not None:
                run_out_of_space(run, disk)
            kill_in(run, stage, delay=0.1 * index)
        run.snakemake("all")
        assert run.csvs() == finished.csvs()
        assert "Nothing to be done" in run.snakemake("all")
    if disk is None:
        pytest.skip("passed, but needs root to fill a disk")


def test_a_live_run_keeps_its_lock(finished, tmp_path):
    """Only a dead run's lock is removed: two runs never work in one folder."""
    run = finished.copy(tmp_path / "run")
    run.configure({"models": {"small": {"epochs": 30}}})
    logs = run.folder / "results/logs/train_model/small/all.log"
    logs.unlink()
    # Somebody looks at the folder while the run starts, and goes away.
    looking = open(run.folder / ".snakemake/alive", "w")  # noqa: SIM115
    fcntl.flock(looking, fcntl.LOCK_SH)
    process = subprocess.Popen(
        run.command("all"),
        cwd=run.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not logs.exists():
            assert process.poll() is None
            time.sleep(0.05)
        looking.close()
        printed = run.snakemake("all", check=False)
        assert run.code != 0
        assert "Directory cannot be locked" in printed
        assert run.stale()  # looking is allowed, and takes no lock away
        assert list((run.folder / ".snakemake/locks").glob("*.lock"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
