"""The benchmarks run, on a little, and tell what they promise; nothing is timed."""

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY


def benchmark(name: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
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
    told = json.loads(benchmark("extraction_memory", "--videos", 300))
    print(told)
    assert told["early_mb"] > 100
    assert 0.9 < told["late_over_early"] < 1.1


@pytest.mark.slow
def test_planning():
    told = benchmark("planning", "--plans", 1)
    assert {line.split()[0] for line in told.splitlines()[1:]} == {"server", "disk"}
