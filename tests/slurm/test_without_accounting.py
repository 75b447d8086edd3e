"""A cluster that keeps no accounts: failures are seen all the same."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster, SlurmRun, started
from tests.slurm.test_slurm import MAPS, SHARDS, copied, failure_of

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    yield from started(accounting=False)


def test_a_cancelled_job_is_told_of_and_tried_again(cluster, finished, tmp_path):
    config = ["scontrol", "show", "config"]
    told = subprocess.run(config, capture_output=True, text=True, check=True).stdout
    assert "accounting_storage/none" in told
    changes = {"attribution": {"engine": "captum", "steps": 300}}
    run: SlurmRun = copied(finished, tmp_path / "run", changes)
    process = run.start(f"{MAPS}/{SHARDS[2]}.h5")
    job = cluster.wait_for("attribute_frames", process)
    subprocess.run(["scancel", job], check=True)
    printed = run.end(process)
    assert run.code == 0, printed[-6000:]
    failure_of(printed, "CANCELLED", "attribute_frames", SHARDS[2])
