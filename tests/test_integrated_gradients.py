"""Integrated Gradients: captum's numbers, exact where the truth is known."""

import pytest
import timm
import torch
from captum.attr import IntegratedGradients
from torch import nn

from pipeline.integrated_gradients import (
    gauss_legendre,
    integrated_gradients,
    make_baselines,
)
from pipeline.networks import ForgeryDetector, NetworkSpec

SIZE = 40


class Flat(nn.Module):
    """A function of the image as a network with one logit."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images).unsqueeze(1)


def detector(network: nn.Module, mean=0.4, std=0.3) -> ForgeryDetector:
    spec = NetworkSpec("test", SIZE, (mean,) * 3, (std,) * 3)
    return ForgeryDetector(network, spec).eval().requires_grad_(False)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=["legacy_xception", "densenet121"])
def real_network(request) -> ForgeryDetector:
    torch.manual_seed(0)
    return detector(timm.create_model(request.param, num_classes=1), 0.5, 0.5)


@pytest.mark.parametrize("steps", [1, 2, 5, 32, 301])
def test_weights_sum_to_one_and_nodes_lie_inside(steps):
    nodes, weights = gauss_legendre(steps)
    assert weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert nodes.min() > 0
    assert nodes.max() < 1
    degree = min(2 * steps - 1, 40)
    assert (weights * nodes**degree).sum().item() == pytest.approx(1 / (degree + 1))


def test_equals_captum_on_the_same_nodes(real_network):
    """In double precision: in single, a ReLU may fall on either side of its kink."""
    network, batch, steps = real_network.double(), images(2).double(), 5
    baselines = make_baselines(batch, "black")
    ours = integrated_gradients(network, batch, baselines, steps, batch_size=7)
    theirs = IntegratedGradients(network).attribute(
        batch, baselines, n_steps=steps, method="gausslegendre"
    )
    scale = theirs.abs().amax((1, 2, 3))
    error = (ours.pixels - theirs).abs().amax((1, 2, 3)) / scale
    assert error.max() < 1e-6


def test_exact_on_a_linear_model():
    weights = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    linear = detector(Flat(lambda x: (x * weights).sum((1, 2, 3))))
    batch, baselines = images(2), make_baselines(images(2), "grey")
    found = integrated_gradients(linear, batch, baselines, steps=2, batch_size=4)
    exact = (batch - baselines) / 0.3 * weights
    assert torch.allclose(found.pixels, exact, atol=1e-5)
    assert found.completeness_error().max() < 1e-4


def test_product_is_shared_equally():
    product = detector(Flat(lambda x: x[:, 0, 0, 0] * x[:, 1, 5, 5]), 0.0, 1.0)
    batch = torch.ones(1, 3, SIZE, SIZE) * 0.8
    black = make_baselines(batch, "black")
    found = integrated_gradients(product, batch, black, 4, 8).pixels[0]
    assert found[0, 0, 0].item() == pytest.approx(0.32)
    assert found[1, 5, 5].item() == pytest.approx(0.32)
    assert found.abs().sum().item() == pytest.approx(0.64)  # the rest gets nothing


@pytest.mark.parametrize("batch_size", [1, 3, 16, 1000])
def test_batch_size_changes_nothing(batch_size):
    torch.manual_seed(0)
    network = detector(timm.create_model("test_resnet", num_classes=1))
    batch = images(4)
    black = make_baselines(batch, "black")
    whole = integrated_gradients(network, batch, black, 6, 24).pixels
    found = integrated_gradients(network, batch, black, 6, batch_size).pixels
    assert (found - whole).abs().max() < 1e-5 * whole.abs().max()


def test_completeness_error_falls_with_steps():
    torch.manual_seed(0)
    network = detector(
        nn.Sequential(
            nn.Flatten(), nn.Linear(3 * SIZE**2, 32), nn.Tanh(), nn.Linear(32, 1)
        )
    )
    batch = images(8)
    black = make_baselines(batch, "black")
    errors = [
        integrated_gradients(network, batch, black, steps, 64)
        .completeness_error()
        .mean()
        for steps in (2, 8, 64)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize(("kind", "value"), [("black", 0), ("grey", 0.5), ("white", 1)])
def test_even_baselines_are_that_colour_in_pixels(kind, value):
    assert (make_baselines(images(2), kind) == value).all()


def test_blurred_baseline_is_smoother_with_the_same_mean():
    batch = images(2)
    blurred = make_baselines(batch, "blurred")
    assert blurred.std() < 0.2 * batch.std()
    assert blurred.mean().item() == pytest.approx(batch.mean().item(), abs=0.01)
