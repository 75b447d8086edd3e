"""What this job may use: what the scheduler gave it, not all that the machine has.

Snakemake passes the threads that a rule asks for. A SLURM job may have been given
fewer, because a site's profile says so. If the cluster does not hide them, the job also
sees the other cores and GPUs of its node.
"""

import os
from collections.abc import Mapping

# Of each worker: 0.5 GB of frames, their crops, and the crops of two videos that wait
# for the writer.
WORKER_MB = 1200
# Of the step itself, by face detector: torch for the networks, and a GPU's libraries.
BASE_MB = {"centerface": 3000, "haar": 2000, "retinaface": 6000}

GPU_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "SLURM_GPUS_ON_NODE",
)
NO_GPU_VALUES = {"", "NoDevFiles"}  # what SLURM writes if a job has no GPU


def in_slurm(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to a SLURM job."""
    return "SLURM_JOB_ID" in environment


def usable_cores(asked: int, environment: Mapping[str, str] = os.environ) -> int:
    """How many of the `asked` cores this process may use; at least 1."""
    given = environment.get("SLURM_CPUS_ON_NODE", "")
    cores = min(asked, len(os.sched_getaffinity(0)))
    if in_slurm(environment) and given.isdecimal():
        cores = min(cores, int(given))
    return max(1, cores)


def may_use_gpu(environment: Mapping[str, str] = os.environ) -> bool:
    """False in a SLURM job without a GPU: its node's GPUs belong to other jobs."""
    if not in_slurm(environment):
        return True
    return bool(_given_gpus(environment))


def _given_gpus(environment: Mapping[str, str]) -> str:
    """The names of the GPUs that SLURM gave to this job; "" if there are none."""
    given = (environment.get(name, "") for name in GPU_VARIABLES)
    return next((gpus for gpus in given if gpus not in NO_GPU_VALUES), "")


def extraction_mb(detector: str, workers: int) -> int:
    """MB of memory that extraction needs with this many workers."""
    return BASE_MB[detector] + WORKER_MB * workers


def workers_that_fit(
    asked: int,
    detector: str,
    memory: int,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """How many of the `asked` extraction workers fit into the cores and `memory` MB.

    `detector` is the name of the face detector. The memory is passed by Snakemake,
    because SLURM does not tell a job how much it may use.
    """
    fit = (memory - BASE_MB[detector]) // WORKER_MB
    return max(1, min(usable_cores(asked, environment), fit))


def described(environment: Mapping[str, str] = os.environ) -> str:
    """A line for the log: this SLURM job, its node, cores and GPUs."""
    gpus = _given_gpus(environment) or "none"
    node = environment.get("SLURMD_NODENAME", "?")
    cores = environment.get("SLURM_CPUS_ON_NODE", "?")
    return (
        f"SLURM job {environment['SLURM_JOB_ID']} on {node}: cores {cores}, GPU {gpus}"
    )
