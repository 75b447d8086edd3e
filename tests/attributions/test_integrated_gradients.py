"""Integrated Gradients: equal to captum and to known solutions, within the bound."""

import gc
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from captum.attr import IntegratedGradients
from torch import nn

from pipeline.attributions.captum_engine import attribute_with_captum
from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.integrated_gradients import Accuracy, integrated_gradients
from pipeline.attributions.integration_path import IntegrationPath
from pipeline.attributions.memory_plan import BatchSize, plan_batch, saved_bytes
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from tests.support.runs import REPOSITORY

SIZE = 40


class Flat(nn.Module):
    """A function of the image as a network with one logit."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images).unsqueeze(1)


def detector(network: nn.Module, mean=0.4, std=0.3, size=SIZE) -> ForgeryDetector:
    spec = NetworkSpec("test", size, (mean,) * 3, (std,) * 3)
    return ForgeryDetector(network, spec).eval().requires_grad_(False)


def images(count: int, size=SIZE) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def attribute(network, given, batch_size=16, **accuracy):
    """A list of the attributions of images with their baselines."""
    size = BatchSize(batch_size)
    wanted = Accuracy(**accuracy)
    return list(integrated_gradients(network, given, wanted, batch_size=size))


def explain(network, batch, baselines=None, batch_size=16, **accuracy):
    return attribute(network, pairs(batch, baselines), batch_size, **accuracy)


def captum(network, given, *, steps, batch_size):
    """A list of captum's attributions of images with their baselines."""
    size = BatchSize(batch_size)
    return list(attribute_with_captum(network, given, steps=steps, batch_size=size))


def pairs(batch, baselines=None):
    """Images with one baseline each, by default black."""
    baselines = torch.zeros_like(batch) if baselines is None else baselines
    return zip(batch, baselines[:, None], strict=True)


def rough(width=64, layers=3, seed=0, activation=nn.ReLU, size=8) -> ForgeryDetector:
    """A random network whose logit rises and falls along the path from black."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = [nn.Flatten()]
    for before in [3 * size * size, *[width] * (layers - 1)]:
        layer = nn.Linear(before, width)
        nn.init.normal_(layer.weight, std=2 / before**0.5)
        nn.init.normal_(layer.bias)
        parts += [layer, activation()]
    return detector(nn.Sequential(*parts, nn.Linear(width, 1)), size=size)


@pytest.fixture(scope="module", params=["legacy_xception", "densenet121"])
def real_network(request) -> ForgeryDetector:
    torch.manual_seed(0)
    return detector(timm.create_model(request.param, num_classes=1), 0.5, 0.5)


@pytest.mark.parametrize(
    ("draws", "first", "steps"), [(1, 5, 5), (3, 12, 4), (2, 3, 4)]
)
def test_equals_captum_on_the_same_nodes(real_network, draws, first, steps):
    """The first nodes are those of captum's midpoint rule.

    In double precision: in single precision, a ReLU may switch on or off.
    """
    network, batch = real_network.double(), images(2).double()
    starts = images(2 * draws).double().flip(0).view(2, draws, 3, SIZE, SIZE) / 2
    given = zip(batch, starts, strict=True)
    loose = {"tolerance": 1e9, "map_tolerance": 1e9}
    found = attribute(network, given, 7, first_steps=first, **loose)
    explainer = IntegratedGradients(network)
    for one, image, baselines in zip(found, batch, starts, strict=True):
        theirs = explainer.attribute(
            image.expand(draws, -1, -1, -1),
            baselines,
            n_steps=steps,
            method="riemann_middle",
        )
        theirs = theirs.sum(1).mean(0).numpy()
        assert np.abs(one.heatmap - theirs).max() < 1e-6 * np.abs(theirs).max()
        assert one.steps == draws * steps
        assert one.logit == pytest.approx(network(image[None]).item(), abs=1e-9)
        start = network(baselines).mean().item()
        assert one.baseline_logit == pytest.approx(start, abs=1e-9)


def test_agrees_with_captum_with_many_steps(real_network):
    network, batch = real_network.double(), images(2).double()
    ours = explain(network, batch, map_tolerance=0.04, tolerance=0.01)
    theirs = captum(network, pairs(batch), steps=80, batch_size=40)
    for found, wanted in zip(ours, theirs, strict=True):
        apart = np.abs(found.heatmap - wanted.heatmap).sum()
        assert apart < 0.05 * np.abs(wanted.heatmap).sum()
        assert found.errors.pixels == pytest.approx(found.errors.squares, rel=0.5)
        assert found.logit == pytest.approx(wanted.logit)
        assert found.baseline_logit == pytest.approx(wanted.baseline_logit)


def test_several_baselines_share_one_error_bound():
    """The error is that of the mean map, and all paths have the same nodes."""
    f = Flat(lambda x: torch.sigmoid(60 * (x[:, 0, 0, 0] - 0.5)) + x[:, 1, 0, 0])
    image = torch.full((1, 3, SIZE, SIZE), 0.9)
    starts = torch.zeros(1, 4, 3, SIZE, SIZE)
    starts[0, 1:, 0] = 0.9  # only the first path has a steep step
    given = zip(image, starts, strict=True)
    (found,) = attribute(detector(f, 0, 1), given, 8, tolerance=0.01)
    assert found.sum_error() <= 0.01
    assert found.heatmap[0, 0] == pytest.approx(0.25 + 0.9, abs=0.02)
    assert found.steps % 4 == 0


def test_captum_gets_the_same_maps_with_any_batch_size():
    network, batch = rough(), images(7, 8)
    wanted = [
        IntegratedGradients(network).attribute(image[None], n_steps=6)[0].sum(0)
        for image in batch
    ]
    for batch_size in (1, 12, 100):
        found = captum(network, pairs(batch), steps=6, batch_size=batch_size)
        for one, exact in zip(found, wanted, strict=True):
            assert np.allclose(one.heatmap, exact.numpy(), atol=1e-6)
            assert one.steps == 6


def test_exact_on_a_linear_model():
    weights = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    linear = detector(Flat(lambda x: (x * weights).sum((1, 2, 3))))
    batch, grey = images(2), torch.full_like(images(2), 0.5)
    exact = ((batch - grey) / 0.3 * weights).sum(1).numpy()
    for found, wanted in zip(
        explain(linear, batch, grey, first_steps=4), exact, strict=True
    ):
        assert np.allclose(found.heatmap, wanted, atol=1e-5)
        assert found.steps == 4
        assert found.sum_error() < 1e-4
        assert found.errors.squares < 1e-4


def test_the_factors_of_a_product_get_equal_shares_and_other_pixels_nothing():
    product = detector(Flat(lambda x: x[:, 0, 0, 0] * x[:, 1, 5, 5]), 0.0, 1.0)
    (found,) = explain(product, torch.full((1, 3, SIZE, SIZE), 0.8))
    assert found.heatmap[0, 0] == pytest.approx(0.32)
    assert found.heatmap[5, 5] == pytest.approx(0.32)
    assert np.count_nonzero(found.heatmap) == 2


def test_symmetric_pixels_get_equal_shares():
    """Two pixels of equal value that the function treats alike get equal shares."""
    both = detector(Flat(lambda x: torch.tanh(x[:, 0, 1, 2] + x[:, 0, 3, 4]) ** 3))
    (found,) = explain(both, torch.full((1, 3, SIZE, SIZE), 0.9), tolerance=0.001)
    assert found.heatmap[1, 2] == pytest.approx(found.heatmap[3, 4], rel=1e-6)
    assert found.heatmap[1, 2] != 0


def test_equal_functions_with_different_structures_get_equal_maps():
    """Implementation invariance: one layer, or two layers with the same product."""
    torch.manual_seed(0)
    whole = nn.Linear(3 * SIZE**2, 8)
    turn = torch.linalg.qr(torch.randn(8, 8))[0]
    first, second = nn.Linear(3 * SIZE**2, 8), nn.Linear(8, 8, bias=False)
    first.weight.data, first.bias.data = turn @ whole.weight, turn @ whole.bias
    second.weight.data = turn.T.contiguous()
    head = nn.Linear(8, 1)
    one = nn.Sequential(nn.Flatten(), whole, nn.ReLU(), head)
    other = nn.Sequential(nn.Flatten(), first, second, nn.ReLU(), head)
    batch = images(3).double()
    maps = [
        [found.heatmap for found in explain(detector(network).double(), batch)]
        for network in (one, other)
    ]
    assert np.allclose(*maps, atol=1e-6 * np.abs(maps[0]).max())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU])
@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_within_the_tolerance_or_all_steps_were_used(activation, seed):
    network = rough(seed=seed, activation=activation)
    steps = {"first_steps": 5, "max_steps": 1025}
    for tolerance in (0.1, 0.02):
        found = explain(network, images(8, 8), tolerance=tolerance, **steps)
        for one in found:
            change = one.logit - one.baseline_logit
            norm = np.abs(one.heatmap).sum()
            error = completeness_error(one.heatmap.sum(), change, norm)
            assert error == pytest.approx(one.sum_error())
            assert error <= tolerance or one.steps == 1025
            assert error <= one.interval_error + 1e-6
            assert one.errors.squares <= 0.1 or one.steps == 1025
        assert sum(one.sum_error() <= tolerance for one in found) >= 7


def test_steps_go_where_the_logit_changes_fast():
    """A steep step at a tenth of the path: even steps would need hundreds."""
    cliff = detector(Flat(lambda x: torch.sigmoid(400 * (x[:, 0, 0, 0] - 0.1))), 0, 1)
    (found,) = explain(cliff, torch.ones(1, 3, SIZE, SIZE), tolerance=0.02)
    assert found.sum_error() < 0.02
    assert found.heatmap[0, 0] == pytest.approx(1, abs=0.03)
    assert found.steps < 60


def test_attributions_that_cancel_out_need_no_gradients_for_the_tiny_change():
    """The two halves of a nearly symmetric image speak for and against fake."""
    network = rough(seed=3)
    both = Flat(lambda x: network(x[..., :20]) - network(x[..., 20:].flip(-1)))
    batch = images(1)
    batch[..., 20:] = 0.999 * batch[..., :20].flip(-1)
    loose, strict = (
        explain(detector(both), batch, tolerance=tolerance)[0]
        for tolerance in (1e9, 0.05)
    )
    norm = np.abs(strict.heatmap).sum()
    assert abs(strict.logit - strict.baseline_logit) < 0.02 * norm
    assert strict.steps == loose.steps
    assert strict.sum_error() < 0.05


def test_an_image_that_needs_more_than_max_steps_is_given_up():
    wild = detector(Flat(lambda x: torch.sin(3000 * x[:, 0, 0, 0]) + x.sum((1, 2, 3))))
    (found,) = explain(wild, images(1), tolerance=1e-4, max_steps=20)
    assert found.steps == 20
    assert found.sum_error() > 1e-4


def test_a_logit_that_is_nan_affects_only_its_own_map():
    """0/0 at the first node of the second path, where the first pixel is 1/8."""

    def broken(x):
        return x.sum((1, 2, 3)) / 100 + 0 / (0.125 - x[:, 0, 0, 0])

    batch = images(3)
    batch[1, 0, 0, 0] = 1
    found = explain(detector(Flat(broken), 0, 1), batch, first_steps=4)
    assert [bool(np.isfinite(one.heatmap).all()) for one in found] == [
        True,
        False,
        True,
    ]
    assert np.isnan(found[1].errors.squares)


def test_a_jump_is_given_up_when_no_float_is_left_between_the_nodes():
    step = detector(Flat(lambda x: (x[:, 0, 0, 0] > 0.3).float() + x.mean((1, 2, 3))))
    (found,) = explain(step, torch.ones(1, 3, SIZE, SIZE), max_steps=100_000)
    assert found.sum_error() > 0.05
    assert found.steps < 1000


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_batch_size_and_the_order_of_images_do_not_change_maps(batch_size):
    network, batch = rough().double(), images(7, 8).double()
    wanted = explain(network, batch, batch_size=16)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3)).tolist()
    found = explain(network, batch[order], batch_size=batch_size)
    for place, one in zip(order, found, strict=True):
        assert one.steps == wanted[place].steps
        assert np.allclose(one.heatmap, wanted[place].heatmap, atol=1e-9)


def test_all_batches_except_the_last_are_full():
    sizes = []

    def spied(x):
        if torch.is_grad_enabled():
            sizes.append(len(x))
        return torch.sin(9 * x[:, 0].sum((1, 2)) / SIZE) + x[:, 1].sum((1, 2)) / SIZE

    found = explain(detector(Flat(spied)), images(60), batch_size=16, tolerance=0.01)
    assert sum(sizes) == sum(one.steps for one in found)
    assert sum(size < 16 for size in sizes) <= 12  # while the last image is refined


def test_batches_are_full_with_large_images():
    """Enough paths are unfinished at once, however much memory a path could need."""
    sizes = []

    def spied(x):
        if len(sizes) == 5:
            raise InterruptedError  # these batches are enough
        if torch.is_grad_enabled():
            sizes.append(len(x))
        return torch.sin(9 * x[:, 0].mean((1, 2))) + x[:, 1].mean((1, 2))

    batch = images(4, 299)[torch.arange(120) % 4]
    with pytest.raises(InterruptedError):
        explain(detector(Flat(spied), size=299), batch, batch_size=128, max_steps=1000)
    assert sizes == [128] * 5


def test_if_memory_is_full_the_batch_is_halved():
    def small(x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    roomy = detector(Flat(lambda x: torch.tanh(x.sum((1, 2, 3)) / 100)))
    wanted = explain(roomy, images(4), batch_size=64)
    found = explain(detector(Flat(small)), images(4), batch_size=64)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.heatmap, other.heatmap, atol=1e-7)
        assert one.steps == other.steps
    found, wanted = (
        captum(network, pairs(images(4)), steps=10, batch_size=64)
        for network in (detector(Flat(small)), roomy)
    )
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.heatmap, other.heatmap, atol=1e-7)


@pytest.mark.parametrize("engine", ["ours", "captum"])
def test_an_image_may_have_more_baselines_than_fit_into_memory(engine):
    def small(x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    starts = images(16).view(2, 8, 3, SIZE, SIZE).flip(1)
    found, wanted = [], []
    for function, maps in ((small, found), (lambda x: small(x[:5]), wanted)):
        network = detector(Flat(function))
        for one in zip(images(2), starts, strict=True):
            size = 16 if function is small else 1
            if engine == "captum":
                maps += captum(network, [one], steps=6, batch_size=size)
            else:
                maps += attribute(network, [one], size)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.heatmap, other.heatmap, atol=1e-7)
        assert one.steps == other.steps
        assert one.baseline_logit == pytest.approx(other.baseline_logit, abs=1e-6)


def test_the_halved_batch_size_is_kept_for_later_calls():
    tried = []

    def small(x):
        tried.append(len(x))
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    batches = BatchSize(16)
    for _ in range(2):
        network, given = detector(Flat(small)), pairs(images(4))
        list(
            integrated_gradients(
                network, given, Accuracy(first_steps=4), batch_size=batches
            )
        )
    assert batches.images == 4
    assert sum(size > 5 for size in tried) == 1


def test_a_long_path_does_not_keep_whole_batches_in_memory():
    """A stored heatmap does not keep the other heatmaps of its batch alive."""
    held = []

    def spied(x):
        paths = [one for one in gc.get_objects() if type(one) is IntegrationPath]
        for heatmap in (one for path in paths for one in path.heatmaps.values()):
            held.append(heatmap.untyped_storage().nbytes() / heatmap.nbytes)
        return torch.sigmoid(400 * (x[:, 0, 0, 0] - 0.1))

    explain(detector(Flat(spied), 0, 1), images(6), batch_size=16)
    assert held
    assert max(held) == 1


def test_an_image_that_does_not_fit_into_memory_is_an_error():
    def full(x):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        explain(detector(Flat(full)), images(1))


def test_the_batch_is_planned_from_what_the_network_saves():
    torch.manual_seed(0)
    network = detector(timm.create_model("test_resnet", num_classes=1))
    small = saved_bytes(network, torch.zeros(3, SIZE, SIZE))
    assert small > SIZE * SIZE * 3 * 4
    wide = detector(timm.create_model("test_resnet", num_classes=1), size=2 * SIZE)
    assert saved_bytes(wide, torch.zeros(3, 80, 80)) > 3 * small
    assert plan_batch(network, SIZE, limit=2 * 10 * small) == 8
    assert plan_batch(network, SIZE, limit=1) == 1
    assert plan_batch(network, SIZE) == 64


@pytest.mark.slow
def test_memory_depends_on_the_batch_and_not_on_the_number_of_images():
    """In one process each, because a process never forgets its peak."""
    peaks = []
    for count in (10, 1000):
        command = [sys.executable, "-c", PEAK, str(count), "16"]
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 30_000, peaks  # KB; the images take 58 MB


PEAK = f"""
import resource, sys
import timm, torch
from pipeline.attributions.integrated_gradients import Accuracy, integrated_gradients
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector, NetworkSpec
count, batch = map(int, sys.argv[1:])
torch.manual_seed(0)
spec = NetworkSpec("test", {SIZE}, (0.4,) * 3, (0.3,) * 3)
network = timm.create_model("test_resnet", num_classes=1)
detector = ForgeryDetector(network, spec).eval().requires_grad_(False)
draw = torch.Generator().manual_seed(0)
pairs = (
    (torch.rand(3, 70, 70, generator=draw), torch.zeros(1, 3, 70, 70))
    for _ in range(count)
)
size = BatchSize(batch)
for found in integrated_gradients(detector, pairs, Accuracy(), batch_size=size):
    assert found.sum_error() <= 0.05
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
