"""Integrated Gradients: captum's numbers, the truth where it is known, to a bound."""

import gc
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from captum.attr import IntegratedGradients
from torch import nn

from pipeline.attributions.captum_engine import with_captum
from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.integrated_gradients import (
    LOW_PRECISION_STEPS,
    Accuracy,
    integrated_gradients,
)
from pipeline.attributions.integration_path import IntegrationPath, trapezoid
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


def explain(network, batch, baselines=None, batch_size=16, **accuracy):
    given = pairs(batch, baselines)
    batches = BatchSize(batch_size)
    return list(integrated_gradients(network, given, Accuracy(**accuracy), batches))


def pairs(batch, baselines=None):
    """Images with a baseline each, black if none is given."""
    baselines = torch.zeros_like(batch) if baselines is None else baselines
    return zip(batch, baselines[:, None], strict=True)


def rough(width=64, layers=3, seed=0, activation=nn.ReLU, size=8) -> ForgeryDetector:
    """A random network whose logit goes up and down on the way from black."""
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


def test_weights_sum_to_one_whatever_the_nodes():
    rng = np.random.default_rng(0)
    for count in (0, 1, 7, 300):
        nodes = np.concatenate([[0], np.sort(rng.random(count)), [1]])
        weights = trapezoid(nodes)
        assert weights.sum() == pytest.approx(1, abs=1e-12)
        assert (weights * nodes).sum() == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("draws", "first", "steps"), [(1, 5, 5), (3, 9, 5), (2, 3, 3)])
def test_equals_captum_on_the_same_nodes(real_network, draws, first, steps):
    """In double precision: in single, a ReLU may fall on either side of its kink.

    Nodes and weights are handed to captum by the method below its public one, since
    none of its rules is the trapezoid's.
    """
    network, batch = real_network.double(), images(2).double()
    starts = images(2 * draws).double().flip(0).view(2, draws, 3, SIZE, SIZE) / 2
    given = zip(batch, starts, strict=True)
    gradients = draws * (steps - 1) + 1  # at the image, paths have the same
    accuracy = Accuracy(tolerance=1e9, first=first)
    found = list(integrated_gradients(network, given, accuracy, BatchSize(7)))
    nodes = np.linspace(0, 1, steps)
    rule = trapezoid(nodes).tolist(), nodes.tolist()
    captum = IntegratedGradients(network)
    for one, image, baselines in zip(found, batch, starts, strict=True):
        theirs = captum._attribute(
            inputs=(image.expand(draws, -1, -1, -1),),
            baselines=(baselines,),
            n_steps=steps,
            step_sizes_and_alphas=rule,
        )
        theirs = theirs[0].sum(1).mean(0).numpy()
        assert np.abs(one.map - theirs).max() < 1e-6 * np.abs(theirs).max()
        assert one.steps == gradients
        assert one.logit == pytest.approx(network(image[None]).item(), abs=1e-9)
        start = network(baselines).mean().item()
        assert one.baseline_logit == pytest.approx(start, abs=1e-9)


def test_agrees_with_captums_many_steps(real_network):
    network, batch = real_network.double(), images(2).double()
    ours = explain(network, batch, first=33, tolerance=0.01)
    theirs = with_captum(network, pairs(batch), 40, BatchSize(40))
    for found, of in zip(ours, theirs, strict=True):
        assert np.abs(found.map - of.map).sum() < 0.05 * np.abs(of.map).sum()
        assert found.logit == pytest.approx(of.logit)
        assert found.baseline_logit == pytest.approx(of.baseline_logit)


def test_several_baselines_are_one_integral():
    """The error is that of the mean, and steps go to the path that is hard."""
    f = Flat(lambda x: torch.sigmoid(60 * (x[:, 0, 0, 0] - 0.5)) + x[:, 1, 0, 0])
    image = torch.full((1, 3, SIZE, SIZE), 0.9)
    starts = torch.zeros(1, 4, 3, SIZE, SIZE)
    starts[0, 1:, 0] = 0.9  # but for the first, the way has no cliff
    accuracy = Accuracy(tolerance=0.01)
    (found,) = integrated_gradients(
        detector(f, 0, 1), zip(image, starts, strict=True), accuracy, BatchSize(8)
    )
    assert found.error() <= 0.01
    assert found.map[0, 0] == pytest.approx(0.25 + 0.9, abs=0.01)
    assert found.steps < 4 * 4 + 20


def test_captum_takes_any_number_of_images_at_once():
    network, batch = rough(), images(7, 8)
    wanted = [
        IntegratedGradients(network).attribute(image[None], n_steps=6)[0].sum(0)
        for image in batch
    ]
    for batch_size in (1, 12, 100):
        found = with_captum(network, pairs(batch), 6, BatchSize(batch_size))
        for one, of in zip(found, wanted, strict=True):
            assert np.allclose(one.map, of.numpy(), atol=1e-6)
            assert one.steps == 6


def test_exact_on_a_linear_model():
    weights = torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    linear = detector(Flat(lambda x: (x * weights).sum((1, 2, 3))))
    batch, grey = images(2), torch.full_like(images(2), 0.5)
    exact = ((batch - grey) / 0.3 * weights).sum(1).numpy()
    for found, wanted in zip(explain(linear, batch, grey, first=3), exact, strict=True):
        assert np.allclose(found.map, wanted, atol=1e-5)
        assert found.steps == 3
        assert found.error() < 1e-4


def test_a_product_is_shared_equally_and_the_rest_gets_nothing():
    product = detector(Flat(lambda x: x[:, 0, 0, 0] * x[:, 1, 5, 5]), 0.0, 1.0)
    (found,) = explain(product, torch.full((1, 3, SIZE, SIZE), 0.8))
    assert found.map[0, 0] == pytest.approx(0.32)
    assert found.map[5, 5] == pytest.approx(0.32)
    assert np.count_nonzero(found.map) == 2


def test_symmetric_pixels_get_equal_shares():
    """Two pixels that the function treats alike, of equal values: equal shares."""
    both = detector(Flat(lambda x: torch.tanh(x[:, 0, 1, 2] + x[:, 0, 3, 4]) ** 3))
    (found,) = explain(both, torch.full((1, 3, SIZE, SIZE), 0.9), tolerance=0.001)
    assert found.map[1, 2] == pytest.approx(found.map[3, 4], rel=1e-6)
    assert found.map[1, 2] != 0


def test_equal_functions_of_another_structure_get_equal_maps():
    """Implementation invariance: a layer and the same layer in two, with ReLUs."""
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
        [a.map for a in explain(detector(net).double(), batch)] for net in (one, other)
    ]
    assert np.allclose(*maps, atol=1e-6 * np.abs(maps[0]).max())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU])
@pytest.mark.parametrize("seed", range(3))
def test_completeness_within_the_tolerance_or_said_not_to_be(activation, seed):
    network = rough(seed=seed, activation=activation)
    for tolerance in (0.1, 0.02):
        found = explain(network, images(8, 8), tolerance=tolerance, first=5, most=1025)
        for one in found:
            change = one.logit - one.baseline_logit
            error = completeness_error(one.map.sum(), change)
            assert error == pytest.approx(one.error())
            assert error <= tolerance or one.steps == 1025
        assert sum(one.error() <= tolerance for one in found) >= 7


def test_steps_go_where_the_path_is_hard():
    """A cliff at a tenth of the way: even steps would need hundreds."""
    cliff = detector(Flat(lambda x: torch.sigmoid(400 * (x[:, 0, 0, 0] - 0.1))), 0, 1)
    (found,) = explain(cliff, torch.ones(1, 3, SIZE, SIZE), tolerance=0.02)
    assert found.error() < 0.02
    assert found.map[0, 0] == pytest.approx(1, abs=0.03)
    assert found.steps < 40


def test_an_image_that_needs_more_than_the_most_is_given_up():
    wild = detector(Flat(lambda x: torch.sin(3000 * x[:, 0, 0, 0]) + x.sum((1, 2, 3))))
    (found,) = explain(wild, images(1), tolerance=1e-4, most=20)
    assert found.steps == 20
    assert found.error() > 1e-4


def test_a_logit_that_is_no_number_spoils_its_own_map_alone():
    """0/0 where the image's first pixel is 1, at the end of the second path."""

    def broken(x):
        return x.sum((1, 2, 3)) / 100 + 0 / (1 - x[:, 0, 0, 0])

    batch = images(3)
    batch[1, 0, 0, 0] = 1
    found = explain(detector(Flat(broken), 0, 1), batch)
    assert [bool(np.isfinite(one.map).all()) for one in found] == [True, False, True]
    assert not np.isfinite(found[1].error())


def test_a_jump_is_given_up_where_no_number_is_left_between():
    step = detector(Flat(lambda x: (x[:, 0, 0, 0] > 0.3).float() + x.mean((1, 2, 3))))
    (found,) = explain(step, torch.ones(1, 3, SIZE, SIZE), most=100_000)
    assert found.error() > 0.05
    assert found.steps < 1000


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_batches_and_the_order_of_images_change_nothing(batch_size):
    network, batch = rough().double(), images(7, 8).double()
    wanted = explain(network, batch, batch_size=16)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3)).tolist()
    found = explain(network, batch[order], batch_size=batch_size)
    for place, one in zip(order, found, strict=True):
        assert one.steps == wanted[place].steps
        assert np.allclose(one.map, wanted[place].map, atol=1e-9)


def test_batches_are_full_but_the_last_ones():
    sizes = []

    def spied(x):
        sizes.append(len(x))
        return torch.sin(9 * x[:, 0].sum((1, 2)) / SIZE) + x[:, 1].sum((1, 2)) / SIZE

    found = explain(detector(Flat(spied)), images(60), batch_size=16, tolerance=0.01)
    assert sum(sizes) == sum(one.steps for one in found)
    assert sum(size < 16 for size in sizes) <= 6  # while the last image is refined


def test_batches_are_full_at_full_size():
    """Many paths are in work at once, whatever a path could come to hold."""
    sizes = []

    def spied(x):
        if len(sizes) == 5:
            raise InterruptedError  # enough was seen
        sizes.append(len(x))
        return torch.sin(9 * x[:, 0].mean((1, 2))) + x[:, 1].mean((1, 2))

    batch = images(4, 299)[torch.arange(120) % 4]
    with pytest.raises(InterruptedError):
        explain(detector(Flat(spied), size=299), batch, batch_size=128, most=1000)
    assert sizes == [128] * 5


def test_full_memory_halves_the_batch_and_goes_on():
    def small(x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    roomy = detector(Flat(lambda x: torch.tanh(x.sum((1, 2, 3)) / 100)))
    wanted = explain(roomy, images(4), batch_size=64)
    found = explain(detector(Flat(small)), images(4), batch_size=64)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.map, other.map, atol=1e-7)
        assert one.steps == other.steps
    captum, theirs = (
        with_captum(network, pairs(images(4)), 10, BatchSize(64))
        for network in (detector(Flat(small)), roomy)
    )
    for one, other in zip(captum, theirs, strict=True):
        assert np.allclose(one.map, other.map, atol=1e-7)


@pytest.mark.parametrize("engine", ["ours", "captum"])
def test_more_baselines_than_fit_at_once(engine):
    def small(x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    starts = images(16).view(2, 8, 3, SIZE, SIZE).flip(1)
    found, wanted = [], []
    for function, maps in ((small, found), (lambda x: small(x[:5]), wanted)):
        network = detector(Flat(function))
        for one in zip(images(2), starts, strict=True):
            size = BatchSize(16 if function is small else 1)
            if engine == "captum":
                maps += with_captum(network, [one], 6, size)
            else:
                maps += integrated_gradients(network, [one], Accuracy(), size)
    for one, other in zip(found, wanted, strict=True):
        assert np.allclose(one.map, other.map, atol=1e-7)
        assert one.steps == other.steps
        assert one.baseline_logit == pytest.approx(other.baseline_logit, abs=1e-6)


def test_what_the_memory_held_is_remembered():
    tried = []

    def small(x):
        tried.append(len(x))
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x.sum((1, 2, 3)) / 100)

    batches = BatchSize(16)
    for _ in range(2):
        given = pairs(images(4))
        list(integrated_gradients(detector(Flat(small)), given, Accuracy(), batches))
    assert batches.images == 4
    assert sum(size > 5 for size in tried) == 2


def test_a_long_path_does_not_keep_its_batches():
    """A map is kept without the other maps that were computed beside it."""
    held = []

    def spied(x):
        paths = [one for one in gc.get_objects() if type(one) is IntegrationPath]
        for map in (map for path in paths for map in path.maps.values()):
            held.append(map.untyped_storage().nbytes() / map.nbytes)
        return torch.sigmoid(400 * (x[:, 0, 0, 0] - 0.1))

    explain(detector(Flat(spied), 0, 1), images(6), batch_size=16)
    assert held
    assert max(held) == 1


def test_one_image_that_does_not_fit_is_an_error():
    def full(x):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        explain(detector(Flat(full)), images(1))


def test_what_low_precision_gets_wrong_is_done_anew_in_float32():
    def f(x):
        low = torch.is_autocast_enabled("cpu")
        return torch.tanh(x[:, 0, 0, 0]) * (3 if low else 1)

    batch = images(3)
    exact = explain(detector(Flat(f)), batch)
    low = integrated_gradients(
        detector(Flat(f)), pairs(batch), Accuracy(), BatchSize(16), torch.bfloat16
    )
    for one, other in zip(low, exact, strict=True):
        assert np.array_equal(one.map, other.map)
        assert one.steps == LOW_PRECISION_STEPS + other.steps


def test_low_precision_holds_the_same_bound():
    torch.manual_seed(0)
    network = detector(timm.create_model("test_resnet", num_classes=1))
    batch = images(6)
    accuracy = Accuracy(tolerance=0.002)
    exact, found = (
        integrated_gradients(network, pairs(batch), accuracy, BatchSize(16), dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    for one, other in zip(found, exact, strict=True):
        assert one.error() <= 0.002
        assert one.logit == pytest.approx(other.logit, abs=1e-6)  # ends are in float32


def test_memory_is_planned_by_what_the_network_saves():
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
def test_memory_hangs_on_the_batch_and_not_on_the_number_of_images():
    """In processes of their own: the peak of one is never given back."""
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
for found in integrated_gradients(detector, pairs, Accuracy(), BatchSize(batch)):
    assert found.error() <= 0.05
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
