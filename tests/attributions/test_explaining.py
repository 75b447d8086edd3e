"""Stored maps: means over baselines, rounded to half precision, and their sums."""

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
from pipeline.attributions.shards import KEY_COLUMNS
from pipeline.config.attribution import AttributionConfig
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from tests.support.runs import REPOSITORY


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
    norms = np.abs(found["maps"]).sum((1, 2), dtype=np.float64)
    errors = completeness_error(sums, change, norms)
    assert np.allclose(found["completeness_error"], errors)
    assert found["converged"].all()
    stated = np.isfinite([found["map_error"], found["pixel_error"]])
    assert stated.all() == (engine == "adaptive") == stated.any()
    differences = found["nested_differences"].astype(float)
    assert np.isnan(differences).all() == (engine == "captum")
    assert (found["steps"] >= (3 * 50 if engine == "captum" else 65)).all()


@pytest.mark.parametrize("size", [1e-6, 1e-4, 0.5])
def test_rounding_to_half_precision_changes_no_sum_by_much(size):
    """Also if strong values nearly cancel out, or if values are subnormal."""

    class Weighted(nn.Module):
        def forward(self, x):
            return (x * weights).sum((1, 2, 3))[:, None]

    weights = torch.randn(3, 96, 96, generator=torch.Generator().manual_seed(0)) * size
    weights -= weights.mean()
    spec = NetworkSpec("test", 96, (0.0,) * 3, (1.0,) * 3)
    detector = ForgeryDetector(Weighted(), spec).eval().requires_grad_(False)
    white, black = np.full((1, 96, 96, 3), 255, np.uint8), np.zeros((1, 1, 96, 96, 3))
    config = AttributionConfig()
    found = explain(
        detector,
        white,
        black.astype(np.float32),
        config=config,
        batch_size=BatchSize(9),
    )
    exact = weights.double().sum().item()
    norm = weights.sum(0).abs().sum().item()
    assert abs(exact) < 0.01 * norm
    assert abs(found["attribution_sum"][0] - exact) < 1e-4 * norm + 1e-5
    assert found["converged"].all()


def test_an_image_that_equals_its_baseline_needs_no_further_gradients():
    """Its map is zero, and the logits of both ends differ only by rounding."""
    calls = []

    class Rounding(nn.Module):
        def forward(self, x):
            calls.append(len(x))
            return x.sum((1, 2, 3))[:, None] * 0.001 + 1e-6 * len(calls)

    spec = NetworkSpec("test", 12, (0.0,) * 3, (1.0,) * 3)
    detector = ForgeryDetector(Rounding(), spec).eval().requires_grad_(False)
    black = np.zeros((1, 12, 12, 3), np.uint8)
    found = explain(
        detector,
        black,
        np.zeros((1, 1, 12, 12, 3), np.float32),
        config=AttributionConfig(),
        batch_size=BatchSize(1),
    )
    assert len(calls) > 2
    assert not found["maps"].any()
    assert found["steps"] == 9
    assert found["converged"].all()


def test_completeness_errors_are_shares_of_the_change_or_of_a_quarter_of_the_norm():
    totals, changes = np.array([[1.1, -2.2, 0.3, 0, np.nan], [1, -2, 0.1, 0, 1]])
    found = completeness_error(totals, changes, np.array([2, 8, 8, 0, 1]))
    assert found == pytest.approx([0.1, 0.1, 0.1, 0, np.nan], nan_ok=True)
    assert completeness_error(0.5, 0.0, 0.0) == 500


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
