"""The stated error of a map, against the exact maps of small networks."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from pipeline.attributions import quadrature
from pipeline.attributions.integrated_gradients import (
    Accuracy,
    Attribution,
    integrated_gradients,
)
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from tests.support.exact_paths import exact_integral

SIZE = 8


def convolutional(seed: int) -> nn.Sequential:
    """A random network of convolutions and ReLUs, in double precision."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * (SIZE // 2) ** 2, 1),
    )
    for part in network.parameters():
        nn.init.normal_(part, std=(2 / part[0].numel()) ** 0.5)
    return network.double().requires_grad_(False)


def attribute(network, image, starts, **accuracy) -> Attribution:
    spec = NetworkSpec("test", SIZE, (0.0,) * 3, (1.0,) * 3)
    detector = ForgeryDetector(network, spec).double().eval().requires_grad_(False)
    (found,) = integrated_gradients(
        detector,
        [(image, starts)],
        Accuracy(tolerance=1e9, **accuracy),
        batch_size=BatchSize(64),
    )
    return found


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(found - exact).sum() / np.abs(exact).sum())


@pytest.fixture(scope="module")
def exact_maps() -> list[tuple[nn.Sequential, torch.Tensor, torch.Tensor, np.ndarray]]:
    """Networks, images, baselines and the exact maps (H, W)."""
    found = []
    for seed in range(12):
        network = convolutional(seed)
        image, start = torch.rand(2, 3, SIZE, SIZE, dtype=torch.float64)
        start = start * (seed % 2)  # half of the baselines are black
        exact = exact_integral(network, image, start).sum(0).numpy()
        found.append((network, image, start, exact))
    return found


def test_exact_maps_add_up_to_the_change_of_the_logit(exact_maps):
    for network, image, start, exact in exact_maps:
        change = (network(image[None]) - network(start[None])).item()
        assert exact.sum() == pytest.approx(change, abs=1e-7)


def test_the_stated_error_is_near_the_true_error(exact_maps):
    """Small networks have few kinks along a path. The errors of all pixels then depend
    on few random numbers, and scatter more than those of real detectors, which are
    measured in benchmarks/attribution.py."""
    ratios = []
    for tolerance in (0.02, 0.01):
        for network, image, start, exact in exact_maps:
            found = attribute(network, image, start[None], map_tolerance=tolerance)
            assert found.errors.squares <= tolerance
            assert found.errors.pixels == pytest.approx(found.errors.squares, rel=1e-4)
            ratios.append(relative_error(found.heatmap, exact) / found.errors.squares)
    assert 0.6 < np.median(ratios) < 1
    assert np.mean(np.array(ratios) <= 1.3) >= 0.9


@pytest.mark.parametrize("nodes", [9, 17, 33])
def test_with_equal_nodes_the_stated_errors_rank_as_the_true_ones(exact_maps, nodes):
    stated, true = [], []
    for network, image, start, exact in exact_maps:
        found = attribute(
            network, image, start[None], first_steps=nodes, max_steps=nodes
        )
        assert found.steps == nodes
        stated.append(found.errors.squares)
        true.append(relative_error(found.heatmap, exact))
    assert spearmanr(stated, true).statistic > 0.65


def test_walks_that_become_rougher_towards_an_end_have_larger_errors():
    """The true variance of the rule's error, against the stated one, of 4,000 walks
    whose variance grows a hundredfold along the path."""
    count, points = 9, 900
    rng = np.random.default_rng(0)
    times = (np.arange(points) + 0.5) / points
    steps = rng.normal(size=(4000, points)) * np.exp(np.log(100) / 2 * times)
    walks = np.cumsum(steps, axis=1)
    nodes = (np.arange(count) + 0.5) / count
    known = walks[:, np.searchsorted(times, nodes)]
    true = np.square(known.mean(1) - walks.mean(1)).mean()
    squares = np.square(np.diff(known, axis=1)).mean(0)
    growth = quadrature.end_growth(nodes, squares)
    stated = [
        quadrature.difference_factors(quadrature.gap_factors(nodes, g)) @ squares
        for g in ((1.0, 1.0), growth)
    ]
    assert growth[0] == 1
    assert 1 < growth[1] < 2
    assert stated[0] < stated[1]
    assert abs(stated[1] / true - 1) < 0.1
    rising = 100.0 ** np.arange(count - 1)
    assert quadrature.end_growth(nodes, rising) == pytest.approx(
        (1, quadrature.MAX_END_GROWTH)
    )
    assert quadrature.end_growth(nodes, np.ones(count - 1)) == pytest.approx((1, 1))


class WanderingGradient(torch.autograd.Function):
    """The mean of an image, with a gradient that is wrong in place and right in sum.

    At each point of the path from black to white, a single pixel has all of it.
    """

    @staticmethod
    def forward(ctx, images):
        ctx.save_for_backward(images)
        return images.mean((1, 2, 3))

    @staticmethod
    def backward(ctx, change):
        (images,) = ctx.saved_tensors
        pixels = SIZE * SIZE
        places = (images.mean((1, 2, 3)) * pixels).long().clamp(0, pixels - 1)
        found = torch.zeros_like(images).flatten(2)
        found[torch.arange(len(images)), :, places] = 1 / 3
        return found.view_as(images) * change[:, None, None, None]


class Wandering(nn.Module):
    def forward(self, images):
        return WanderingGradient.apply(images).unsqueeze(1)


def test_a_gradient_that_is_right_in_sum_and_wrong_in_place_does_not_pass():
    image = torch.ones(3, SIZE, SIZE, dtype=torch.float64)
    start = torch.zeros_like(image)[None]
    exact = np.full((SIZE, SIZE), 1 / SIZE**2)
    found = attribute(Wandering(), image, start, max_steps=33)
    assert found.sum_error() < 1e-9
    assert found.interval_error < 1e-9
    assert found.steps == 33
    assert relative_error(found.heatmap, exact) > 0.5
    assert found.errors.squares > 0.5


def test_the_mean_over_several_baselines_states_how_much_other_draws_would_change(
    exact_maps,
):
    network, image = exact_maps[0][0], exact_maps[0][1]
    starts = torch.rand(40, 3, SIZE, SIZE, dtype=torch.float64)
    accuracy = {"first_steps": 160, "max_steps": 16, "map_tolerance": 0.02}
    parts = [attribute(network, image, part, **accuracy) for part in starts.split(8)]
    every = attribute(network, image, starts, **accuracy)
    apart = [relative_error(part.heatmap, every.heatmap) for part in parts]
    stated = np.mean([part.errors.draws for part in parts])
    # The mean of all draws includes those of the part: a fifth.
    assert np.mean(apart) == pytest.approx(stated * 0.8**0.5, rel=0.2)
    assert np.isnan(attribute(network, image, starts[:1]).errors.draws)
