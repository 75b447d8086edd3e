"""Steps use what their SLURM job was given, not all that its node has."""

import os

import pytest

from pipeline.runtime.allocation import (
    described,
    extraction_mb,
    may_use_gpu,
    usable_cores,
    workers_that_fit,
)

HERE = len(os.sched_getaffinity(0))
JOB = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}


@pytest.mark.parametrize(
    ("asked", "environment", "cores"),
    [
        (64, {}, HERE),
        (1, {}, 1),
        (64, JOB | {"SLURM_CPUS_ON_NODE": "1"}, 1),
        (64, JOB | {"SLURM_CPUS_ON_NODE": "99"}, HERE),
        (1, JOB | {"SLURM_CPUS_ON_NODE": "99"}, 1),
        (64, {"SLURM_CPUS_ON_NODE": "1"}, HERE),  # not in a job
    ],
)
def test_a_step_uses_the_cores_of_its_job(asked, environment, cores):
    assert usable_cores(asked, environment) == cores


def test_a_job_without_a_gpu_does_not_use_its_nodes_gpus():
    assert may_use_gpu({})
    assert not may_use_gpu(JOB)
    assert not may_use_gpu(JOB | {"CUDA_VISIBLE_DEVICES": ""})
    assert may_use_gpu(JOB | {"CUDA_VISIBLE_DEVICES": "1"})
    assert may_use_gpu(JOB | {"SLURM_GPUS_ON_NODE": "1"})


@pytest.mark.parametrize("detector", ["centerface", "haar", "retinaface"])
def test_workers_fit_into_the_memory_that_was_requested(detector):
    for workers in range(1, HERE + 1):
        memory = extraction_mb(detector, workers)
        assert workers_that_fit(HERE, detector, memory, {}) == workers
    assert workers_that_fit(HERE, detector, 10, {}) == 1
    assert workers_that_fit(HERE, detector, 10**6, {}) == HERE


def test_a_job_is_described_with_its_cores_and_gpus():
    given = JOB | {"SLURM_CPUS_ON_NODE": "4"}
    assert described(given) == "SLURM job 7 on n1: cores 4, GPU none"
    assert described(given | {"CUDA_VISIBLE_DEVICES": "0"}).endswith("GPU 0")
