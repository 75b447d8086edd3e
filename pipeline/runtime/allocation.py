"""What this job may use: what the scheduler gave it, and not all that the machine has.

Snakemake passes the threads that a rule asks for. A SLURM job may have been given fewer
(a site's file says so), and sees the other cores and GPUs of its node where the cluster
does not hide them.
"""

import os
from collections.abc import Mapping

WORKER_MB = 1200  # 0.5 GB of frames, their crops, and twice those wait for the writer
OWN_MB = {"haar": 2000, "retinaface": 6000}  # torch and a GPU's libraries

GPU_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "SLURM_GPUS_ON_NODE",
)
NONE = {"", "NoDevFiles"}  # what SLURM writes where there is none


def in_slurm(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to a SLURM job."""
    return "SLURM_JOB_ID" in environment


def usable_cores(asked: int, environment: Mapping[str, str] = os.environ) -> int:
    """`asked` cores, or as many of them as this process may use; at least 1."""
    given = environment.get("SLURM_CPUS_ON_NODE", "")
    cores = min(asked, len(os.sched_getaffinity(0)))
    if in_slurm(environment) and given.isdecimal():
        cores = min(cores, int(given))
    return max(1, cores)


def may_use_gpu(environment: Mapping[str, str] = os.environ) -> bool:
    """False in a SLURM job that was given no GPU: those of its node are others'."""
    if not in_slurm(environment):
        return True
    return bool(_given_gpus(environment))


def _given_gpus(environment: Mapping[str, str]) -> str:
    """The GPUs that SLURM gave, as it names them; "" for none."""
    given = (environment.get(name, "") for name in GPU_VARIABLES)
    return next((gpus for gpus in given if gpus not in NONE), "")


def extraction_mb(detector: str, workers: int) -> int:
    """MB that extraction needs with so many workers."""
    return OWN_MB[detector] + WORKER_MB * workers


def workers_that_fit(
    asked: int,
    detector: str,
    memory: int,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """`asked` workers of extraction, or as many as there are cores and `memory` MB for.

    Snakemake knows what memory it asked for: a step of SLURM's is not told.
    """
    fit = (memory - OWN_MB[detector]) // WORKER_MB
    return max(1, min(usable_cores(asked, environment), fit))


def described(environment: Mapping[str, str] = os.environ) -> str:
    """A SLURM job and what it was given, for its log."""
    gpus = _given_gpus(environment) or "none"
    node = environment.get("SLURMD_NODENAME", "?")
    cores = environment.get("SLURM_CPUS_ON_NODE", "?")
    return (
        f"SLURM job {environment['SLURM_JOB_ID']} on {node}: cores {cores}, GPU {gpus}"
    )
