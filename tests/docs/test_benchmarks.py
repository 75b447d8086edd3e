"""The benchmarks run, on a little, and tell what they promise; nothing is timed."""

import json
import subprocess
import sys

import pytest

from tests.support import forked
from tests.support.runs import REPOSITORY


def benchmark(name: str, *arguments: object, start=forked.run) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    done = start(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_decoding_extraction_and_shard_format(tmp_path):
    clips = ["--clips", tmp_path, "--count", 1, "--length", 24, 24]
    told = benchmark("decoding", *clips, "--repeats", 1)
    assert "ours (pyav)" in told
    assert "1280x720 yuv444p" in told
    assert "ours / limit" in benchmark("extraction", *clips)
    assert "HDF5, as it is" in benchmark("shard_format", *clips, "--crops", 32)
    told = benchmark("feeding", *clips, "--crops", 64, "--workers", 0, 1)
    assert "ours / ImageFolder" in told
    assert "limit: Xception" in told


@pytest.mark.slow
def test_memory_is_flat_over_300_videos():
    told = json.loads(
        benchmark("extraction_memory", "--videos", 300, start=subprocess.run)
    )
    print(told)
    assert told["early_mb"] > 100
    assert 0.9 < told["late_over_early"] < 1.1


@pytest.mark.slow
def test_attribution(finished):
    few = ["--images", 3, "--counts", 8, "--baselines", "black", "noise"]
    told = benchmark("attribution", finished.folder / "results", *few)
    for model in ("small", "other"):
        for baseline in ("black", "noise"):
            assert f"{model}/all, {baseline}: 3 maps" in told
    assert told.count("captum 8") == told.count("bare loop") == 4


def test_cluster_makespan():
    """More GPUs make it shorter; one is never idle for long; SLURM costs something."""
    first, _, *rows = benchmark("cluster_makespan").splitlines()
    kinds = json.loads(first)
    assert kinds.pop("jobs") == sum(kinds.values())
    table = [[float(value) for value in row.split()] for row in rows]
    gpus, spans, bare, _, busy = zip(*table, strict=True)
    assert gpus == (1, 4, 16)
    assert spans[0] > spans[1] > spans[2]
    assert all(s >= b for s, b in zip(spans, bare, strict=True))
    assert busy[0] > 0.9
    rates = ["--train_rate", "1600", "--extract", "0.1"]
    faster = benchmark("cluster_makespan", *rates).splitlines()[2]
    assert float(faster.split()[1]) < spans[0]


@pytest.mark.slow
def test_planning():
    told = benchmark("planning", "--plans", 1)
    assert {line.split()[0] for line in told.splitlines()[1:]} == {"server", "disk"}
