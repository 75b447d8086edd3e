"""Runs on a real SLURM cluster: the same results, nothing lost, nothing done twice.

GPUs are dummy devices that SLURM gives to one job at a time; steps run on the CPU. The
first test starts all runs of `scenarios`. Each test looks at the outcome of one.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from tests.slurm import scenarios
from tests.slurm.cluster import GPU_STEPS, SlurmRun, reason_to_skip
from tests.slurm.scenarios import (
    COMMANDS,
    EXTRACTION_LOG,
    SHARDS,
    TEST_SHARDS,
    TRAINED,
    TRAINING_LOG,
    VIDEO_TABLE,
    Cancelled,
    Documented,
    Interrupted,
    Lab,
    OddNames,
    Outcome,
    Preempted,
    Warned,
)

pytestmark = pytest.mark.slurm
AT_ONCE = 5  # scenarios; they mostly wait


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    return Lab(tmp_path_factory.mktemp("slurm"))


@pytest.fixture(scope="module")
def outcomes(lab, request) -> Iterator[dict[str, Future]]:
    """What each scenario that a selected test needs returns, by its name."""
    needed = {
        name
        for item in request.session.items
        for name in getattr(item, "fixturenames", [])
    }
    pool = ThreadPoolExecutor(AT_ONCE)
    ready = pool.submit(lab.start)
    durations: dict[str, float] = {}

    def play(scenario: Callable[[Lab], object]) -> object:
        ready.result()
        start = time.monotonic()
        try:
            return scenario(lab)
        finally:
            durations[scenario.__name__] = time.monotonic() - start

    try:
        futures = {
            scenario.__name__: pool.submit(play, scenario)
            for scenario in scenarios.SCENARIOS
            if scenario.__name__ in needed
        }
        lab.finished.set_result(request.getfixturevalue("finished"))
        yield futures
    finally:
        lab.finished.cancel()  # if it was not made, nobody waits for it
        lab.kill_runs()
        pool.shutdown(cancel_futures=True)
        lab.stop()
        # pytest's own durations say no more than that the first test waited for all.
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            for name, seconds in durations.items():
                print(f"\n{seconds:.0f} s {name}", end="")


def outcome_of(scenario: Callable[[Lab], object]) -> Callable:
    """A fixture that waits for this scenario's end."""

    @pytest.fixture(scope="module", name=scenario.__name__)
    def outcome(outcomes):
        return outcomes[scenario.__name__].result()

    return outcome


killed_and_started_again = outcome_of(scenarios.killed_and_started_again)
cancelled_and_drained = outcome_of(scenarios.cancelled_and_drained)
cancelled_without_accounting = outcome_of(scenarios.cancelled_without_accounting)
out_of_time = outcome_of(scenarios.out_of_time)
out_of_memory = outcome_of(scenarios.out_of_memory)
undisturbed_training = outcome_of(scenarios.undisturbed_training)
warned_training = outcome_of(scenarios.warned_training)
preempted_training = outcome_of(scenarios.preempted_training)
wrong_account = outcome_of(scenarios.wrong_account)
odd_names = outcome_of(scenarios.odd_names)
documented_commands = outcome_of(scenarios.documented_commands)


def assert_succeeded(outcome: Outcome) -> None:
    assert outcome.run.code == 0, outcome.printed[-6000:]


def assert_reported(printed: str, status: str, step: str, shard: str) -> None:
    """The failure was printed with its rule, shard and log, and the job retried."""
    report = re.search(
        rf"Error in rule {step}:(.|\n)*?SLURM status is: '{status}'"
        r"(.|\n)*?Trying to restart",
        printed,
    )
    assert report, printed[-6000:]
    assert f"results/logs/{step}" in report[0]
    assert shard in report[0].replace("/", "-")


def completed(lab: Lab, run: SlurmRun) -> pd.DataFrame:
    """The jobs of a run that started; all of them must have completed."""
    jobs = lab.cluster.jobs(run.folder)
    jobs = jobs[jobs["Start"].notna()]
    assert set(jobs["State"]) == {"COMPLETED"}
    return jobs


def overlaps(one: pd.Series, others: pd.DataFrame) -> bool:
    return ((others["Start"] < one["End"]) & (one["Start"] < others["End"])).any()


def test_the_csvs_are_those_of_a_local_run(
    killed_and_started_again: Interrupted, lab: Lab
):
    assert_succeeded(killed_and_started_again)
    assert "video AUC" in killed_and_started_again.printed
    assert killed_and_started_again.run.csvs() == lab.finished.result().csvs()
    assert "Nothing to be done" in killed_and_started_again.repeated


def test_one_gpu_job_runs_at_a_time_and_others_meanwhile(
    killed_and_started_again: Interrupted, lab: Lab
):
    jobs = completed(lab, killed_and_started_again.run)
    gpu = jobs["AllocTRES"].str.contains("gres/gpu=1")
    on_gpu, others = jobs[gpu].sort_values("Start"), jobs[~gpu]
    assert set(on_gpu["Partition"]) == {"gpu"}
    assert set(others["Partition"]) == {"cpu"}
    steps = on_gpu["step"].str.extract(r"^(\w+?)_wildcards", expand=False)
    assert set(steps) == set(GPU_STEPS)
    assert (on_gpu["Start"].iloc[1:].values >= on_gpu["End"].iloc[:-1].values).all()
    assert any(overlaps(job, others) for _, job in on_gpu.iterrows())


def test_jobs_are_few_and_name_their_rule_and_shard(
    killed_and_started_again: Interrupted, lab: Lab
):
    steps = completed(lab, killed_and_started_again.run)["step"]
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
    # One job makes all checksums, one all contact sheets, one the metrics of a model.
    jobs_of_a_model = 1 + 1 + 3 + 1 + 2 + 1 + 3
    jobs_of_controls = 2 + 1  # of two test shards, and their tables with a figure
    jobs_of_originals = 2 + 1  # of two test shards, and their table
    jobs_of_models = 2 * (jobs_of_a_model + jobs_of_controls) + 2 + 2
    jobs_of_models += 1 + 1  # the joint test, and the report
    assert len(steps) == len(rendered) + 4 + 3 + jobs_of_originals + jobs_of_models


def test_steps_use_what_their_job_was_given(killed_and_started_again: Interrupted):
    folder = killed_and_started_again.run.folder
    log = folder / EXTRACTION_LOG.format(shard=SHARDS[0])
    given = r"SLURM job \d+ on \S+: cores 2, GPU none"
    assert re.search(given, log.read_text())
    log = (folder / TRAINING_LOG).read_text()
    assert re.search(r": cores 2, GPU 0\n", log)


def test_a_restarted_run_waits_for_jobs_of_the_killed_one_and_does_nothing_twice(
    killed_and_started_again: Interrupted, lab: Lab
):
    again = killed_and_started_again
    assert again.left
    assert "its SLURM jobs are still there" not in again.dry_run
    assert_succeeded(again)
    assert all(
        f"  {job} SUSPENDED {step}" in again.printed for job, step in again.left.items()
    )
    jobs = lab.cluster.jobs(again.run.folder)
    done = jobs[jobs["State"] == "COMPLETED"]["step"]
    assert done.is_unique
    assert sum(done.str.startswith("extract_faces")) == len(SHARDS)
    assert {step.removeprefix("rule_") for step in again.left.values()} <= set(done)
    assert set(jobs["State"].str.split().str[0]) <= {"COMPLETED", "CANCELLED"}
    assert (jobs["Start"].isna() | (jobs["State"] == "COMPLETED")).all()


def test_a_cancelled_job_is_reported_and_retried(
    cancelled_and_drained: Cancelled, lab: Lab
):
    assert_succeeded(cancelled_and_drained)
    jobs = lab.cluster.jobs(cancelled_and_drained.run.folder).set_index("JobID")
    step = jobs.loc[cancelled_and_drained.job, "step"]
    (shard,) = [shard for shard in TEST_SHARDS if shard in step]
    assert_reported(
        cancelled_and_drained.printed, "CANCELLED", "attribute_frames", shard
    )
    states = jobs[jobs["step"] == step]["State"].str.split().str[0]
    assert states.tolist() == ["CANCELLED", "COMPLETED"]


def test_a_drained_node_keeps_jobs_waiting_and_loses_none(
    cancelled_and_drained: Cancelled, lab: Lab
):
    waiting = r"PENDING rule_attribute_frames\S+ \(.*DRAIN"
    assert re.search(waiting, cancelled_and_drained.queue), cancelled_and_drained.queue
    assert_succeeded(cancelled_and_drained)
    jobs = lab.cluster.jobs(cancelled_and_drained.run.folder)
    jobs = jobs[jobs["JobID"] != cancelled_and_drained.job]
    assert set(jobs["State"]) == {"COMPLETED"}
    assert jobs["step"].is_unique
    assert len(jobs) == len(TEST_SHARDS)


def test_without_accounting_a_cancelled_job_is_reported_and_retried(
    cancelled_without_accounting: Cancelled, lab: Lab
):
    configuration = lab.plain_cluster.output("scontrol", "show", "config")
    assert "accounting_storage/none" in configuration
    assert_succeeded(cancelled_without_accounting)
    assert_reported(
        cancelled_without_accounting.printed,
        *("CANCELLED", "attribute_frames", TEST_SHARDS[0]),
    )


def test_a_job_out_of_time_is_given_more_and_goes_on(out_of_time: Outcome, lab: Lab):
    """Each attempt has more time, and keeps what the ones before it finished."""
    assert_succeeded(out_of_time)
    assert_reported(out_of_time.printed, "TIMEOUT", "attribute_frames", SHARDS[0])
    log = out_of_time.run.folder / scenarios.ATTRIBUTION_LOG.format(shard=SHARDS[0])
    assert re.search(r"going on after [1-7] finished parts", log.read_text())
    jobs = lab.cluster.jobs(out_of_time.run.folder)
    *stopped, last = jobs["State"]
    assert last == "COMPLETED"
    assert set(stopped) == {"TIMEOUT"}
    assert jobs["TimelimitRaw"].iloc[1] == "20"


def test_a_job_out_of_memory_is_given_more(out_of_memory: Outcome, lab: Lab):
    assert_succeeded(out_of_memory)
    jobs = lab.cluster.jobs(out_of_memory.run.folder)
    assert_reported(
        out_of_memory.printed,
        *(jobs["State"].iloc[0], "attribute_frames", TEST_SHARDS[0]),
    )
    assert jobs["ReqMem"].iloc[:2].tolist() == ["600M", "1200M"]
    assert jobs["State"].iloc[-1] == "COMPLETED"
    assert not (jobs["State"].iloc[:-1] == "COMPLETED").any()


def assert_same_training(run: SlurmRun, undisturbed: Path) -> None:
    for name in ("weights.safetensors", "history.csv"):
        found = (run.folder / TRAINED / name).read_bytes()
        assert found == (undisturbed / name).read_bytes(), name


def test_a_training_is_warned_of_the_end_of_its_time_and_goes_on(
    warned_training: Warned, undisturbed_training: Path
):
    assert "stopped by SIGUSR1 in epoch" in warned_training.stopped
    assert_succeeded(warned_training)
    assert_reported(warned_training.printed, "FAILED", "train_model", "small-all")
    log = (warned_training.run.folder / TRAINING_LOG).read_text()
    assert re.search(r"going on after \d+ epochs", log)
    assert_same_training(warned_training.run, undisturbed_training)


def test_a_preempted_training_goes_on(
    preempted_training: Preempted, undisturbed_training: Path, lab: Lab
):
    assert_succeeded(preempted_training)
    jobs = lab.cluster.jobs(preempted_training.run.folder)
    assert jobs["JobID"].unique().tolist() == [preempted_training.job]
    assert jobs["State"].tolist() == ["PREEMPTED", "COMPLETED"]
    log = (preempted_training.run.folder / TRAINING_LOG).read_text()
    assert re.search(r"going on after \d+ epochs", log)
    assert_same_training(preempted_training.run, undisturbed_training)


def test_what_slurm_refuses_is_reported(wrong_account: Outcome, lab: Lab):
    """Steps that share a job included."""
    assert wrong_account.run.code != 0
    printed = wrong_account.printed
    assert re.search("checksum_videos(.|\n)*nobodys", printed), printed[-6000:]
    assert lab.cluster.jobs(wrong_account.run.folder).empty


def test_names_of_files_are_never_run(odd_names: OddNames):
    """Neither Snakemake nor a job runs the `touch x` in one of them."""
    assert_succeeded(odd_names)
    assert re.search("Submitted|has been submitted", odd_names.printed)
    assert all(name in odd_names.checksums for name in odd_names.names)
    assert not list(odd_names.run.folder.rglob("x"))


def test_the_documented_commands(documented_commands: Documented, lab: Lab):
    clone = documented_commands
    assert [command.split()[0] for command in clone.commands] == COMMANDS
    for code, printed in zip(clone.codes, clone.printed, strict=True):
        assert code == 0, printed[-4000:]
    jobs = lab.cluster.jobs(clone.folder)
    (checksums,) = jobs[jobs["step"].str.startswith("checksums_checksum_videos")][
        "JobID"
    ]
    line = rf"(?m)^{checksums} .*rule_checksums_checksum_videos"
    assert re.search(line, clone.printed[-1]), clone.printed[-1][-4000:]
    tables = VIDEO_TABLE.replace("results", "results/small").format(shard="miniature-*")
    assert len(list(clone.folder.glob(tables))) == len(SHARDS)
