"""What happens to runs on a SLURM cluster; the tests look at the outcomes.

Each scenario is a run, or several, and what is done to it. Most of its time is spent
waiting for SLURM, so that scenarios run at the same time. Those that disturb a node
(drain it, fill it) have a node of their own.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.slurm.cluster import Cluster, SlurmRun
from tests.support.data_sets import own
from tests.support.documents import blocks
from tests.support.runs import REPOSITORY, SMALL, Run

COMMANDS = "cp snakemake snakemake squeue sacct".split()  # their first words
MAPS = "results/attributions/small/all/black"
TRAINED = "results/models/small/all"
CHECKSUMS = "results/videos/{shard}.sha256"
VIDEO_TABLE = "results/videos/{shard}.csv"
EXTRACTION_LOG = "results/logs/extract_faces/{shard}.log"
TRAINING_LOG = "results/logs/train_model/small/all.log"
ATTRIBUTION_LOG = "results/logs/attribute_frames/small/all/black/{shard}.log"
SHARDS = [f"miniature-{s}" for s in ("train-000", "val-000", "test-000", "test-001")]
TEST_SHARDS = SHARDS[2:]
# Some seconds of work, wherever SLURM is to interrupt it: it is paused meanwhile.
LONG_TRAINING = {"models": {"small": {"epochs": 30, "patience": None, "batch_size": 2}}}
SLOW_MAPS = {"attribution": {"engine": "captum", "steps": 50}}
# The longest scenario, which runs all steps, is to have a core whenever it wants one.
NICENESS = 5  # of all others
STILL_THERE = "of its SLURM jobs are still there; waiting for them"


class Lab:
    """What scenarios share: the clusters, and a finished run to copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster, self.plain_cluster = Cluster(), Cluster(accounting=False)
        self.finished: Future[Run] = Future()
        self.runs: list[SlurmRun] = []

    def start(self) -> None:
        self.cluster.start()

    def stop(self) -> None:
        try:
            self.plain_cluster.stop()
        finally:
            self.cluster.stop()

    def kill_runs(self) -> None:
        """End what still runs, if the tests are interrupted."""
        for run in self.runs:
            if run.process and run.process.poll() is None:
                run.kill()

    def new_run(self, name: str, **site: object) -> SlurmRun:
        return self._run(name, {}, self.cluster, site)

    def copied_run(
        self,
        name: str,
        changes: dict,
        cluster: Cluster | None = None,
        **site: object,
    ) -> SlurmRun:
        """The finished run, whose steps are stale by `changes` of its configuration."""
        self.finished.result().copy(self.folder / name)
        # One thread does not have to wait for others that have no core at the moment.
        site = {"threads": 1, **site}
        run = self._run(name, changes, cluster or self.cluster, site)
        run.niceness = NICENESS
        return run

    def _run(self, name: str, changes: dict, cluster: Cluster, site: dict) -> SlurmRun:
        run = SlurmRun(self.folder / name, cluster)
        run.configure(changes)
        self.runs.append(run.at_site(**site))
        return run


@dataclass
class Outcome:
    """A run, and what its last Snakemake printed."""

    run: SlurmRun
    printed: str


@dataclass
class Interrupted(Outcome):
    """A run that was killed, and started again while some of its jobs were left."""

    left: dict[str, str]  # rule and wildcards by the job's ID
    dry_run: str  # what a dry run printed meanwhile
    repeated: str  # what another start printed at the end


def killed_and_started_again(lab: Lab) -> Interrupted:
    """All steps, by two starts of Snakemake; the first is killed."""
    run = lab.new_run("all_steps")
    run.start("all")
    lab.cluster.wait_for(run, "extract_faces")
    run.kill()
    for job in lab.cluster.queue(run.folder):  # or they might end before the next start
        subprocess.run(
            ["scontrol", "suspend", job], check=False, env=lab.cluster.environment
        )
    left = lab.cluster.queue(run.folder, "SUSPENDED")
    dry_run = run.snakemake("all", "-n")
    run.start("all")
    run.wait_until(lambda: STILL_THERE in run.printed())
    lab.cluster.output("scontrol", "resume", ",".join(left))
    printed = run.end()
    return Interrupted(run, printed, left, dry_run, run.snakemake("all", check=False))


@dataclass
class Cancelled(Outcome):
    """A run: one of its jobs was cancelled, then its node was drained."""

    job: str
    queue: str  # while the node was drained: state, step and reason


def cancelled_and_drained(lab: Lab) -> Cancelled:
    """Two steps want one GPU: one is cancelled, and waits again behind the other."""
    run = lab.copied_run("cancelled", SLOW_MAPS, gpu_partition="drained")
    run.start(*(f"{MAPS}/{shard}.h5" for shard in TEST_SHARDS))
    cluster, step = lab.cluster, "attribute_frames_wildcards_small_all_black"
    job = cluster.wait_for(run, step)
    cluster.output("scancel", job)
    cluster.wait_for(run, step, other_than=job)
    run.wait_until(lambda: bool(cluster.queue(run.folder, "PENDING")))
    queue = ""

    def is_held_back() -> bool:
        nonlocal queue
        query = ["--partition=drained", "--noheader", "--format=%T %k %R"]
        queue = cluster.output("squeue", *query)
        return "DRAIN" in queue

    set_node(cluster, "three", "drain", "reason=test")
    try:
        run.wait_until(lambda: not cluster.queue(run.folder))
        time.sleep(3)  # in which it would start on a node that is not drained
        run.wait_until(is_held_back)
    finally:
        set_node(cluster, "three", "resume")
    return Cancelled(run, run.end(), job, queue)


def set_node(cluster: Cluster, name: str, state: str, *reason: str) -> None:
    change = [f"nodename={name}", f"state={state}", *reason]
    cluster.output("scontrol", "update", *change)


def cancelled_without_accounting(lab: Lab) -> Cancelled:
    """A cluster that keeps no accounts of its jobs."""
    cluster = lab.plain_cluster
    cluster.start()
    run = lab.copied_run("plain", SLOW_MAPS, cluster)
    run.start(f"{MAPS}/{TEST_SHARDS[0]}.h5")
    job = cluster.wait_for(run, "attribute_frames")
    cluster.output("scancel", job)
    return Cancelled(run, run.end(), job, "")


def out_of_time(lab: Lab) -> Outcome:
    """Its time is up when the first of eight parts is finished."""
    slow = {"engine": "captum", "frames": None, "batch_size": 1, "steps": 100}
    run = lab.copied_run(
        "out_of_time",
        {"attribution": slow},
        gpu_partition="others",
        steps={"attribute_frames": {"runtime": "10 * attempt"}},
    )
    run.start(f"{MAPS}/{SHARDS[0]}.h5")
    job = lab.cluster.wait_for(run, "attribute_frames")
    parts = run.folder / f"{MAPS}/.{SHARDS[0]}.parts"
    run.wait_until(lambda: any(parts.glob("[0-9a-f]*.npz")))
    run.pause("attribute_frames")
    # SLURM, which looks at the time every half minute, does the rest.
    lab.cluster.output("scontrol", "update", f"jobid={job}", "endtime=now")
    return Outcome(run, run.end())


def out_of_memory(lab: Lab) -> Outcome:
    """It needs more than its first attempt has."""
    run = lab.copied_run(
        "out_of_memory",
        SLOW_MAPS,
        gpu_partition="others",
        steps={"attribute_frames": {"mem_mb": "600 * attempt"}},
    )
    run.start(f"{MAPS}/{TEST_SHARDS[0]}.h5")
    return Outcome(run, run.end())


def undisturbed_training(lab: Lab) -> Path:
    """The folder of what a training outside of SLURM gives."""
    run = lab.finished.result().copy(lab.folder / "undisturbed")
    run.configure(LONG_TRAINING)
    run.snakemake(f"{TRAINED}/weights.safetensors", "--set-threads", "train_model=1")
    return run.folder / TRAINED


def training(lab: Lab, name: str, partition: str) -> tuple[SlurmRun, str]:
    """A training that is paused after an epoch or some; and its job."""
    run = lab.copied_run(name, LONG_TRAINING, gpu_partition=partition)
    run.start(f"{TRAINED}/weights.safetensors")
    job = lab.cluster.wait_for(run, "train_model_wildcards_small_all")
    run.wait_until((run.folder / f"{TRAINED}/state.pt").exists)
    run.pause("train_model")
    return run, job


@dataclass
class Warned(Outcome):
    """A training that SLURM warned of the end of its time."""

    stopped: str  # what it logged then


def warned_training(lab: Lab) -> Warned:
    """SLURM warns a job that has less than three minutes left, as the rule asks."""
    run, job = training(lab, "warned", "others")
    lab.cluster.output("scontrol", "update", f"jobid={job}", "endtime=now+170")
    log = run.folder / TRAINING_LOG
    found: list[str] = []

    def has_stopped() -> bool:
        found[:] = re.findall("stopped by .*", log.read_text()) if log.exists() else []
        return bool(found)

    run.wait_until(has_stopped)
    return Warned(run, run.end(), found[0])


@dataclass
class Preempted(Outcome):
    """A training whose node an urgent job took."""

    job: str


def preempted_training(lab: Lab) -> Preempted:
    run, job = training(lab, "preempted", "preempted")
    cluster = lab.cluster
    urgent = ["--partition=urgent", "--account=my-account", "--exclusive"]
    cluster.output(
        *("sbatch", *urgent, "--chdir=/", "--output=/dev/null", "--wrap=sleep 5")
    )
    run.wait_until(lambda: job in cluster.queue(run.folder, "PENDING"))
    # SLURM would let it wait for some three minutes.
    cluster.output("scontrol", "update", f"jobid={job}", "starttime=now")
    return Preempted(run, run.end(), job)


def wrong_account(lab: Lab) -> Outcome:
    """SLURM refuses a group of steps, which want an account that does not exist."""
    default = {"slurm_account": "nobodys", "slurm_partition": "cpu"}
    run = lab.copied_run("wrong_account", {}, **{"default-resources": default})
    for shard in SHARDS:
        (run.folder / CHECKSUMS.format(shard=shard)).unlink()
    run.start("videos", "--retries", "0")
    return Outcome(run, run.end())


@dataclass
class OddNames(Outcome):
    """A run with files whose names are parts of commands."""

    names: list[str]
    checksums: str


def odd_names(lab: Lab) -> OddNames:
    """`touch x` is a part of one name."""
    mine = {"root": "data/mine", "table": "data/mine/clips.csv", "use": "test"}
    mine["shards"] = {"test": 1}
    run = lab.copied_run("odd_names", {"sources": {"folders": {"mine": mine}}})
    names = own(run.folder / "data/miniature", run.folder / "data/mine")
    run.start("videos")
    printed = run.end()
    file = run.folder / CHECKSUMS.format(shard="mine-test-000")
    return OddNames(run, printed, [*names], file.read_text())


@dataclass
class Documented:
    """A clone in which the commands of the documentation were run."""

    folder: Path
    commands: list[str]
    printed: list[str]
    codes: list[int]


def wait_for_accounting(cluster: Cluster, folder: Path, seconds: float = 120) -> None:
    """Wait until accounting has the end of all jobs of the runs in `folder`.

    The controller reports it to the database some seconds after Snakemake has seen it.
    """
    end = time.monotonic() + seconds
    while (cluster.jobs(folder)["Comment"] == "").any() and time.monotonic() < end:
        time.sleep(1)


def documented_commands(lab: Lab) -> Documented:
    """With the site's file as it is; a small corpus replaces FaceForensics++."""
    clone = Documented(lab.folder / "clone", [], [], [])
    subprocess.run(["git", "clone", "-q", REPOSITORY, clone.folder], check=True)
    base = {**SMALL, "results": "results/small"}
    (clone.folder / "ffpp.yaml").write_text(yaml.safe_dump(base))
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    clone.commands = [line for line in lines if line]
    environment = dict(lab.cluster.environment)
    here = Path(sys.executable).parent
    environment["PATH"] = f"{here}{os.pathsep}{environment['PATH']}"
    for command in clone.commands:
        if command.endswith("ffpp.yaml"):
            command = command.replace(" all ", " videos ")
        if command.startswith("sacct"):
            wait_for_accounting(lab.cluster, clone.folder)
        done = subprocess.run(
            ["nice", "-n", str(NICENESS), "bash", "-c", command],
            cwd=clone.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        clone.printed.append(done.stdout)
        clone.codes.append(done.returncode)
    return clone


# In the order of their start. The first two do not wait for the finished run.
SCENARIOS: list[Callable[[Lab], object]] = [
    killed_and_started_again,
    documented_commands,
    preempted_training,
    out_of_time,
    warned_training,
    cancelled_and_drained,
    undisturbed_training,
    cancelled_without_accounting,
    out_of_memory,
    odd_names,
    wrong_account,
]
