"""On a real SLURM cluster: the same results, and nothing lost or done twice.

GPUs are one dummy device that SLURM gives to a job at a time; steps run on the CPU.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml

from tests.slurm.cluster import Cluster, SlurmRun, cluster, wait_until  # noqa: F401
from tests.support.data_sets import own
from tests.support.runs import REPOSITORY, SMALL

pytestmark = pytest.mark.slurm
MAPS = "results/attributions/small/all/black"
TRAINED = "results/models/small/all"
TRAINING_LOG = "results/logs/train_model/small/all.log"
SHARDS = [f"miniature-{s}" for s in ("train-000", "val-000", "test-000", "test-001")]


def new_run(folder: Path, changes: dict | None = None, **site) -> SlurmRun:
    run = SlurmRun(folder)
    run.configure(changes)
    return run.at_site(**site)


def copied(finished, folder: Path, changes: dict, **site) -> SlurmRun:
    """A finished run, of which changes make some steps stale."""
    run = SlurmRun(finished.copy(folder).folder)
    run.configure(changes)
    return run.at_site(**site)


def overlaps(one: pd.Series, others: pd.DataFrame) -> bool:
    return ((others["Start"] < one["End"]) & (one["Start"] < others["End"])).any()


@pytest.fixture(scope="module")
def whole(cluster, tmp_path_factory) -> SlurmRun:  # noqa: F811
    run = new_run(tmp_path_factory.mktemp("slurm") / "run")
    printed = run.snakemake("all")
    assert "video AUC" in printed
    return run


def test_the_csvs_are_those_of_a_local_run(whole, finished):
    assert whole.csvs() == finished.csvs()
    assert "Nothing to be done" in whole.snakemake("all")


def test_one_gpu_job_at_a_time_and_others_meanwhile(whole, cluster):  # noqa: F811
    jobs = cluster.jobs(whole.folder)
    gpu = jobs["AllocTRES"].str.contains("gres/gpu=1")
    assert set(jobs["State"]) == {"COMPLETED"}
    on_gpu, others = jobs[gpu].sort_values("Start"), jobs[~gpu]
    assert set(on_gpu["Partition"]) == {"gpu"}
    assert set(others["Partition"]) == {"cpu"}
    steps = on_gpu["step"].str.extract(r"^(\w+?)_wildcards", expand=False)
    assert set(steps) == {"train_model", "predict_frames", "attribute_frames"}
    assert (on_gpu["Start"].iloc[1:].values >= on_gpu["End"].iloc[:-1].values).all()
    assert any(overlaps(job, others) for _, job in on_gpu.iterrows())


def test_jobs_are_few_and_name_their_rule_and_shard(whole, cluster):  # noqa: F811
    steps = cluster.jobs(whole.folder)["step"]
    assert steps.is_unique
    rendered = {f"render_videos_{shard}" for shard in SHARDS}
    named = {
        *(f"extract_faces_wildcards_{shard}" for shard in SHARDS),
        *(f"train_model_wildcards_{m}_all" for m in ("small", "other")),
        *(f"metrics-{m}-all_" for m in ("small", "other")),
        f"predict_frames_wildcards_small_all_{SHARDS[1]}",
    }
    assert rendered <= set(steps)
    assert all(steps.str.startswith(name).sum() == 1 for name in named)
    # All checksums are a job, all contact sheets, and a detector's metrics.
    a_model = 1 + 1 + 3 + 1 + 2 + 1 + 3
    assert len(steps) == len(rendered) + 4 + 3 + 2 * a_model + 2 + 2


def test_steps_use_what_their_job_was_given(whole):
    log = whole.folder / f"results/logs/extract_faces/{SHARDS[0]}.log"
    given = r"SLURM job \d+ on \S+: cores 2, GPU none"
    assert re.search(given, log.read_text())
    log = (whole.folder / TRAINING_LOG).read_text()
    assert re.search(r": cores 2, GPU 0\n", log)


def test_killed_and_started_again_nothing_is_done_twice(cluster, tmp_path):  # noqa: F811
    """Jobs that run when the head is killed go on, and the new one waits for them."""
    run = new_run(tmp_path / "run")
    process = run.start("faces")
    wait_until(
        lambda: any("extract_faces" in s for s in cluster.running().values()), process
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for job in cluster.running():  # so that they are there for long enough
        subprocess.run(["scontrol", "suspend", job], check=False)
    left = cluster.running("SUSPENDED")
    assert left
    assert "its SLURM jobs are still there" not in run.snakemake("faces", "-n")
    process = run.start("faces")
    told = "of its SLURM jobs are still there; waiting for them"
    wait_until(lambda: told in run.printed.read_text(), process)
    subprocess.run(["scontrol", "resume", ",".join(left)], check=True)
    printed = run.end(process)
    assert run.code == 0, printed[-6000:]
    assert all(f"  {job} SUSPENDED {step}" in printed for job, step in left.items())
    jobs = cluster.jobs(run.folder)
    done = jobs[jobs["State"] == "COMPLETED"]["step"]
    assert done.is_unique
    assert sum(done.str.startswith("extract_faces")) == len(SHARDS)
    assert {step.removeprefix("rule_") for step in left.values()} <= set(done)
    assert set(jobs["State"].str.split().str[0]) <= {"COMPLETED", "CANCELLED"}
    assert (jobs["Start"].isna() | (jobs["State"] == "COMPLETED")).all()
    assert "Nothing to be done" in run.snakemake("faces")


def failure_of(printed: str, status: str, step: str, shard: str) -> None:
    """Assert that it was told of with its rule, shard and log, and tried again."""
    told = re.search(
        rf"Error in rule {step}:(.|\n)*?SLURM status is: '{status}'"
        r"(.|\n)*?Trying to restart",
        printed,
    )
    assert told, printed[-6000:]
    assert f"results/logs/{step}" in told[0]
    assert shard in told[0].replace("/", "-")


def test_a_cancelled_job_is_told_of_and_tried_again(cluster, finished, tmp_path):  # noqa: F811
    changes = {"attribution": {"engine": "captum", "steps": 300}}
    run = copied(finished, tmp_path / "run", changes)
    process = run.start(*(f"{MAPS}/{shard}.h5" for shard in SHARDS[2:]))
    job = cluster.wait_for(
        f"attribute_frames_wildcards_small_all_black_{SHARDS[2]}", process
    )
    subprocess.run(["scancel", job], check=True)
    printed = run.end(process)
    assert run.code == 0, printed[-6000:]
    failure_of(printed, "CANCELLED", "attribute_frames", SHARDS[2])
    jobs = cluster.jobs(run.folder).set_index("JobID")
    again = jobs[jobs["step"] == jobs.loc[job, "step"]]["State"].str.split().str[0]
    assert again.tolist() == ["CANCELLED", "COMPLETED"]


def seconds_of_attribution(finished, settings: dict) -> float:
    """What the step takes here, once it has started."""
    results = finished.folder / "results"
    words = {
        "weights": results / "models/small/all/weights.safetensors",
        "faces": results / f"faces/{SHARDS[0]}.h5",
        "references": results / "attributions/references/all.h5",
        "originals": "",
        "baseline": "black",
        "output": finished.folder / "timed.h5",
        "seed": 0,
        "threads": 2,
        "config": json.dumps(settings),
    }
    command = [sys.executable, "-m", "pipeline.attribute_frames"]
    command += [f"--{key}={value}" for key, value in words.items()]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    return float(re.search(r"chunks in ([\d.]+) s", done.stderr)[1])


def test_over_its_time_limit_it_goes_on_with_more(cluster, finished, tmp_path):  # noqa: F811
    """Each attempt has more time, and takes up what the ones before finished."""
    # 130 s in eight chunks: the first of them is finished within the first attempt's
    # minute, and not all within the minute and a half at most that SLURM lets pass,
    # be the machine twice as slow by then or half as fast again.
    slow = {"engine": "captum", "frames": None, "batch_size": 1}
    steps = round(200 * 130 / seconds_of_attribution(finished, {**slow, "steps": 200}))
    changes = {"attribution": {**slow, "steps": steps}}
    limit = {"attribute_frames": {"runtime": "attempt"}}
    run = copied(finished, tmp_path / "run", changes, steps=limit)
    log = run.folder / f"results/logs/attribute_frames/small/all/black/{SHARDS[0]}.log"
    process = run.start(f"{MAPS}/{SHARDS[0]}.h5")
    printed = run.end(process)
    assert run.code == 0, printed[-6000:]
    failure_of(printed, "TIMEOUT", "attribute_frames", SHARDS[0])
    assert re.search(r"going on after [1-7] finished parts", log.read_text())
    *stopped, last = cluster.jobs(run.folder)["State"]
    assert last == "COMPLETED"
    assert set(stopped) == {"TIMEOUT"}


def test_over_its_memory_it_is_given_more(cluster, finished, tmp_path):  # noqa: F811
    changes = {"attribution": {"engine": "captum", "steps": 50}}
    limit = {"attribute_frames": {"mem_mb": "600 * attempt"}}
    run = copied(finished, tmp_path / "run", changes, steps=limit)
    process = run.start(f"{MAPS}/{SHARDS[2]}.h5")
    printed = run.end(process)
    assert run.code == 0, printed[-6000:]
    jobs = cluster.jobs(run.folder)
    failure_of(printed, jobs["State"].iloc[0], "attribute_frames", SHARDS[2])
    assert jobs["ReqMem"].iloc[:2].tolist() == ["600M", "1200M"]
    assert jobs["State"].iloc[-1] == "COMPLETED"
    assert not (jobs["State"].iloc[:-1] == "COMPLETED").any()


class Training(NamedTuple):
    """A training that nothing has disturbed."""

    folder: Path
    changes: dict


def trained_here(finished, folder: Path, epochs: int) -> tuple[Training, float]:
    """Without SLURM; and the seconds of an epoch where they went by the fastest."""
    model = {"epochs": epochs, "patience": None, "batch_size": 2}
    changes = {"models": {"small": model}}
    run = finished.copy(folder).configure(changes)
    run.snakemake(f"{TRAINED}/weights.safetensors")
    log = (run.folder / TRAINING_LOG).read_text()
    said = pd.to_timedelta(re.findall(r"(?m)^(\S+) epoch \d+:", log)).total_seconds()
    twenty = (said[20:] - said[:-20]) % 86_400
    return Training(run.folder / TRAINED, changes), max(1, twenty.min()) / 20


@pytest.fixture(scope="module")
def short_training(finished, tmp_path_factory) -> tuple[Training, float]:
    """Some twenty seconds; and those of an epoch."""
    return trained_here(finished, tmp_path_factory.mktemp("short") / "run", 120)


@pytest.fixture(scope="module")
def long_training(finished, short_training, tmp_path_factory) -> Training:
    """More than the minute that SLURM gives it, however fast this machine is, and
    whatever else it does meanwhile."""
    epochs = min(1000, round(70 / short_training[1]))
    folder = tmp_path_factory.mktemp("long") / "run"
    return trained_here(finished, folder, epochs)[0]


def assert_same_training(run: SlurmRun, undisturbed: Path) -> None:
    for name in ("weights.safetensors", "history.csv"):
        found = (run.folder / TRAINED / name).read_bytes()
        assert found == (undisturbed / name).read_bytes(), name


def test_training_is_warned_and_goes_on(cluster, finished, long_training, tmp_path):  # noqa: F811
    # SLURM, which looks every half minute, warns up to 30 s before it is to. Each
    # attempt has a minute more, so that a slow machine needs few.
    limit = {"runtime": "attempt", "mem_mb": 3000}
    limit["slurm_extra"] = "'--signal=USR1@15'"
    changes = long_training.changes
    run = copied(finished, tmp_path / "run", changes, steps={"train_model": limit})
    process = run.start(f"{TRAINED}/weights.safetensors", "--retries", "5")
    log = run.folder / TRAINING_LOG
    said: list[str] = []

    def stopped() -> bool:
        said[:] = re.findall("stopped by .*", log.read_text()) if log.exists() else []
        return bool(said)

    wait_until(stopped, process)
    assert "stopped by SIGUSR1 in epoch" in said[0]
    printed = run.end(process, 1200)
    assert run.code == 0, printed[-6000:]
    failure_of(printed, "FAILED", "train_model", "small-all")
    assert re.search(r"going on after \d+ epochs", log.read_text())
    assert_same_training(run, long_training.folder)


def test_a_preempted_training_goes_on(cluster, finished, short_training, tmp_path):  # noqa: F811
    undisturbed, _ = short_training
    run = copied(finished, tmp_path / "run", undisturbed.changes)
    process = run.start(f"{TRAINED}/weights.safetensors")
    job = cluster.wait_for("train_model_wildcards_small_all", process)
    state = run.folder / f"{TRAINED}/state.pt"
    wait_until(state.exists, process)
    urgent = ["sbatch", "--partition=urgent", "--account=my-account", "--exclusive"]
    subprocess.run([*urgent, "--output=/dev/null", "--wrap=sleep 5"], check=True)
    wait_until(lambda: job in cluster.running("PENDING"), process)
    # SLURM would let it wait for some three minutes.
    subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], check=True)
    printed = run.end(process, 1200)
    assert run.code == 0, printed[-6000:]
    jobs = cluster.jobs(run.folder)
    assert jobs["JobID"].unique().tolist() == [job]
    assert jobs["State"].tolist() == ["PREEMPTED", "COMPLETED"]
    log = (run.folder / TRAINING_LOG).read_text()
    assert re.search(r"going on after \d+ epochs", log)
    assert_same_training(run, undisturbed.folder)


def node(state: str, *reason: str) -> None:
    name = subprocess.run(["hostname", "-s"], capture_output=True, text=True).stdout
    command = ["scontrol", "update", f"nodename={name.strip()}", f"state={state}"]
    subprocess.run([*command, *reason], check=True)


def test_a_drained_node_keeps_jobs_waiting_and_loses_none(
    cluster,  # noqa: F811
    finished,
    tmp_path,
):
    changes = {"attribution": {"engine": "captum", "steps": 300}}
    run = copied(finished, tmp_path / "run", changes)
    process = run.start(*(f"{MAPS}/{shard}.h5" for shard in SHARDS[2:]))
    cluster.wait_for("attribute_frames_wildcards_small_all", process)
    node("drain", "reason=test")
    try:
        wait_until(lambda: not cluster.running(), process)
        time.sleep(3)
        look = ["squeue", "--me", "--noheader", "--format=%T %k %R"]
        told = subprocess.run(look, capture_output=True, text=True, check=True).stdout
        assert re.search(r"PENDING rule_attribute_frames\S+ \(.*DRAIN", told), told
        assert process.poll() is None
    finally:
        node("resume")
    assert run.end(process)
    assert run.code == 0
    jobs = cluster.jobs(run.folder)
    assert set(jobs["State"]) == {"COMPLETED"}
    assert jobs["step"].is_unique


def test_what_is_wrong_before_submission_is_told(cluster, finished, tmp_path):  # noqa: F811
    """Also of steps that share a job."""
    default = {"slurm_account": "nobodys", "slurm_partition": "cpu"}
    run = copied(finished, tmp_path / "run", {}, **{"default-resources": default})
    for sums in (run.folder / "results/videos").iterdir():
        sums.unlink()
    process = run.start("videos", "--retries", "0")
    printed = run.end(process)
    assert run.code != 0
    assert re.search("checksum_videos(.|\n)*nobodys", printed), printed[-6000:]
    assert cluster.jobs(run.folder).empty


def test_names_of_files_are_never_run(cluster, finished, tmp_path):  # noqa: F811
    """`touch x` stands in one: neither the head nor a job does it."""
    folder = tmp_path / "run"
    mine = {"root": "data/mine", "table": "data/mine/clips.csv", "use": "test"}
    mine["shards"] = {"test": 1}
    run = copied(finished, folder, {"sources": {"folders": {"mine": mine}}})
    names = own(folder / "data/miniature", folder / "data/mine")
    shard = "results/videos/mine-test-000.sha256"
    printed = run.snakemake(shard)
    assert "Submitted" in printed or "has been submitted" in printed
    told = (folder / shard).read_text()
    assert all(name in told for name in names)
    assert not list(folder.rglob("x"))


def test_the_readmes_commands(cluster, tmp_path):  # noqa: F811
    """With the site's file as it comes; for what is run, a small corpus stands in."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", REPOSITORY, folder], check=True)
    base = {**SMALL, "results": "results/small"}
    (folder / "ffpp.yaml").write_text(yaml.safe_dump(base))
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    commands = [line.strip() for block in blocks for line in block.splitlines()]
    commands = [line for line in commands if line]
    assert [command.split()[0] for command in commands] == [
        "cp",
        "snakemake",
        "snakemake",
        "squeue",
        "sacct",
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        if command.endswith("ffpp.yaml"):
            command = command.replace(" all ", " videos ")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-4000:]
    assert "rule_checksums_checksum_videos" in done.stdout
    tables = (folder / "results/small/videos").glob("miniature-*.csv")
    assert len(list(tables)) == len(SHARDS)
