"""Stored maps: means over baselines, rounded to half precision."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.explain import explain
from pipeline.attributions.frames import choose_frames
from pipeline.attributions.memory_plan import BatchSize
from pipeline.attributions.rounding import to_half_precision
from pipeline.attributions.shards import KEY_COLUMNS
from pipeline.config.attribution import AttributionConfig
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from tests.support.runs import REPOSITORY

SIDE = 96


def cancelling(seed: int, change: float) -> np.ndarray:
    """A map (S, S) of strong values that nearly cancel out: their sum is `change`."""
    heatmap = np.random.default_rng(seed).normal(0, 0.5, (SIDE, SIDE))
    return heatmap + (change - heatmap.sum()) / heatmap.size


@pytest.mark.parametrize("change", [-0.2, 0.05, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_keeps_the_sum_of_a_map_that_nearly_cancels_out(seed, change):
    heatmap = cancelling(seed, change)
    plain = heatmap.astype(np.float16)
    kept = to_half_precision(heatmap, change, 0.0005)
    error = completeness_error(kept.sum(dtype=np.float64), change)
    assert error < 0.002
    # All values stay within one step of half precision.
    step = np.abs(np.nextafter(plain, np.float16(np.inf)).astype(np.float64) - plain)
    assert (np.abs(kept - heatmap) <= 1.01 * step).all()
    assert (kept != plain).mean() < 0.02


def test_plain_rounding_does_not_keep_the_sum():
    errors = [
        completeness_error(heatmap.astype(np.float16).sum(dtype=np.float64), 0.2)
        for heatmap in (cancelling(seed, 0.2) for seed in range(8))
    ]
    assert max(errors) > 0.02


def test_other_maps_are_rounded_as_usual():
    heatmap = np.random.default_rng(0).normal(0, 1e-3, (SIDE, SIDE)) + 1e-3
    heatmap[:10] = 0
    kept = to_half_precision(heatmap, heatmap.sum(), 0.005)
    assert np.array_equal(kept, heatmap.astype(np.float16))
    assert not to_half_precision(np.zeros((4, 4)), 0.0, 0.005).any()


def bumpy() -> ForgeryDetector:
    """A logit that rises and falls with the first colour, and rises with the others."""

    class Bumpy(nn.Module):
        def forward(self, x):
            return (
                3 * torch.sin(5 * x[:, :1].mean((2, 3))) + x.sum((1, 2, 3))[:, None] / 9
            )

    spec = NetworkSpec("test", 12, (0.4,) * 3, (0.3,) * 3)
    return ForgeryDetector(Bumpy(), spec).eval().requires_grad_(False)


def crops(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, 12, 12, 3)).astype(np.uint8)


@pytest.mark.parametrize("engine", ["adaptive", "captum"])
def test_a_map_is_the_mean_over_its_crops_baselines(engine):
    """Independent of the other crops, and equal to captum's results."""
    pictures, rng = crops(5), np.random.default_rng(4)
    starts = [rng.random((3, 12, 12, 3), np.float32) for _ in pictures]
    config = AttributionConfig(engine=engine, tolerance=0.01, first_steps=65)
    found = explain(bumpy(), pictures, starts, config=config, batch_size=BatchSize(16))
    captum = IntegratedGradients(bumpy())
    for number, (crop, start) in enumerate(zip(pictures, starts, strict=True)):
        image = torch.tensor(crop).permute(2, 0, 1)[None] / 255
        baselines = torch.tensor(start).permute(0, 3, 1, 2)
        exact = captum.attribute(image.expand(3, -1, -1, -1), baselines, n_steps=200)
        exact = exact.sum(1).mean(0).numpy()
        assert found["logit"][number] == pytest.approx(bumpy()(image).item(), abs=1e-5)
        start_logit = bumpy()(baselines).mean().item()
        assert found["baseline_logit"][number] == pytest.approx(start_logit, abs=1e-5)
        apart = np.abs(found["maps"][number] - exact).sum()
        assert apart < 0.02 * np.abs(exact).sum()
    change = found["logit"] - found["baseline_logit"]
    sums = found["maps"].sum((1, 2), dtype=np.float64)
    assert np.allclose(found["completeness_error"], completeness_error(sums, change))
    assert found["converged"].all()
    stated = np.isfinite([found["map_error"], found["pixel_error"]])
    assert stated.all() == (engine == "adaptive") == stated.any()
    differences = found["nested_differences"].astype(float)
    assert np.isnan(differences).all() == (engine == "captum")
    assert (found["steps"] >= (3 * 50 if engine == "captum" else 65)).all()


@pytest.mark.parametrize(("wanted", "numbers"), [(2, [1, 4]), (None, range(6))])
def test_frames_of_each_person_are_chosen(wanted, numbers):
    """Crops are sorted by person, and each person is in all frames of the video."""
    frames = pd.DataFrame(0, range(36), KEY_COLUMNS[:-1]).assign(
        video=np.repeat(["a", "b"], 18),
        subject=np.tile(np.repeat([0, 1, 2], 6), 2),
        number=np.tile(range(6), 6),
    )
    chosen = choose_frames(frames, wanted)
    assert chosen["crop"].is_monotonic_increasing
    by_person = chosen.groupby(["video", "subject"])["number"].apply(list)
    assert by_person.tolist() == [list(numbers)] * 6


def test_captum_is_imported_only_on_request():
    code = "import pipeline.attributions.explain, sys; print('captum' in sys.modules)"
    printed = subprocess.check_output(
        [sys.executable, "-c", code], cwd=REPOSITORY, text=True
    )
    assert printed == "False\n"
