"""The benchmarks run on little data and print their tables; times are not tested."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.support import forked
from tests.support.runs import REPOSITORY


def benchmark(name: str, *arguments: object, start=forked.run) -> str:
    """Run a benchmark. Returns what it printed."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    done = start(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_decoding_extraction_shard_format_and_feeding(tmp_path):
    clips = ["--clips", tmp_path, "--count", 1, "--length", 24, 24]
    printed = benchmark("decoding", *clips, "--repeats", 1)
    assert "ours (pyav)" in printed
    assert "1280x720 yuv444p" in printed
    assert "ours / limit" in benchmark("extraction", *clips)
    assert "HDF5, as it is" in benchmark("shard_format", *clips, "--crops", 32)
    printed = benchmark("feeding", *clips, "--crops", 64, "--workers", 0, 1)
    assert "ours / ImageFolder" in printed
    assert "limit: Xception" in printed


@pytest.mark.slow
def test_memory_stays_constant_over_300_videos():
    printed = benchmark("extraction_memory", "--videos", 300, start=subprocess.run)
    figures = json.loads(printed)
    print(figures)
    assert figures["early_mb"] > 100
    assert 0.9 < figures["late_over_early"] < 1.1


@pytest.mark.slow
def test_attribution_computes_each_row_once_and_prints_its_tables(finished, tmp_path):
    few = ["--images", 3, "--baselines", "black", "noise"]
    arguments = [finished.folder / "results", tmp_path, *few]
    rows = [f"{m}, {b}" for b in ("black", "noise") for m in ("small", "other")]
    first, again = (benchmark("attribution", *arguments) for _ in range(2))
    rates = benchmark("attribution", *arguments, "--rates")
    for row in rows:
        assert f"{row}: 3 maps" in first
        assert f"{row}: 3 maps" not in again
        assert f"{row}: 3 maps" in rates
        assert len(pd.read_csv(tmp_path / f"{row}.csv")) > 300
    for table in ("at equal gradients", "at equal error", "stated errors", "mean maps"):
        assert table in first
        assert again[again.index(table) :] in first
    assert rates.count("of the bare loop") == len(rows)


@pytest.mark.slow
def test_figures_of_a_gpu_are_printed_on_a_cpu_too():
    small = ["--models", "test_resnet", "--sizes", 64, "--seconds", 0.05]
    printed = benchmark("on_gpu", *small, "--frame-batches", 1, 2)
    header, training, attributions, *detector = printed.splitlines()
    assert "no GPU" in header
    assert "gradients/s" in attributions
    assert "maps/h" in attributions
    assert "images/s" in training
    assert [line.startswith("face detector") for line in detector] == [True, True]


@pytest.mark.slow
def test_on_a_machine_with_few_packages_the_attributions_are_measured():
    """The test blocks the packages."""
    missing = "pandas pydantic cv2 scipy sklearn lightning_fabric onnx av h5py".split()
    blocked = f"import sys; sys.modules.update(dict.fromkeys({missing}))"
    run = "import runpy; runpy.run_module('benchmarks.on_gpu', run_name='__main__')"
    small = "--models test_resnet --sizes 32 --seconds 0.01 --frame-batches 1".split()
    done = subprocess.run(
        [sys.executable, "-c", f"{blocked}; {run}", *small],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    _, training, attributions, detector = done.stdout.splitlines()
    assert "gradients/s" in attributions
    assert "left out, the package" in training
    assert "left out, the package" in detector


def test_makespan_falls_with_more_gpus_and_with_faster_steps():
    """SLURM never shortens it, and a single GPU is rarely idle."""
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
def test_planning_prints_a_row_for_server_and_disk():
    printed = benchmark("planning", "--plans", 1)
    assert {line.split()[0] for line in printed.splitlines()[1:]} == {"server", "disk"}
