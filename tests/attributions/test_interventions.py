"""Controls: what regions do to a logit, random networks, samples and their shards."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pipeline.attributions.controls import (
    CURVE_COLUMNS,
    NETWORKS,
    REGION_COLUMNS,
    ControlShard,
    choose_sample,
    write_controls,
)
from pipeline.attributions.interventions import (
    FRACTIONS,
    curve_logits,
    mixed_logits,
    random_orders,
    region_effects,
)
from pipeline.attributions.random_networks import random_network
from pipeline.attributions.shards import KEY_COLUMNS
from pipeline.models.networks import ForgeryDetector, NetworkSpec
from tests.support.shards import row

SIDE, COUNT, REGIONS = 12, 5, 3


class Weighted(nn.Module):
    """A network whose logit is the sum of all pixels times weights: it is additive."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images * self.weights).sum((1, 2, 3))[:, None]


@pytest.fixture
def additive():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, SIDE, SIDE)).astype(np.float32)
    spec = NetworkSpec("none", SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    detector = ForgeryDetector(Weighted(torch.from_numpy(weights)), spec)
    pair = rng.integers(0, 256, (2, COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    contributions = (pair[0] / 255 - pair[1] / 255) * weights.transpose(1, 2, 0)
    return detector, *pair, contributions.sum(-1)


def test_effects_of_regions_add_up_for_an_additive_detector(additive):
    detector, fakes, originals, contributions = additive
    labels = np.random.default_rng(1).integers(0, REGIONS, (COUNT, SIDE, SIDE))
    removal, insertion, ends = region_effects(
        detector, fakes, originals, labels.astype(np.int8), REGIONS + 1, 7
    )
    expected = [(contributions * (labels == n)).sum((1, 2)) for n in range(REGIONS)]
    assert pytest.approx(np.array(expected), abs=1e-3) == removal[:, :REGIONS].T
    assert insertion == pytest.approx(removal, abs=1e-3)
    assert removal[:, REGIONS].tolist() == [0.0] * COUNT  # no pixel has this label
    assert removal.sum(1) == pytest.approx(ends[:, 0] - ends[:, 1], abs=1e-3)


def test_removal_and_insertion_differ_if_regions_interact():
    """A logit that needs both halves: one half alone gives nothing."""

    class Both(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            half = SIDE // 2
            left, right = images[..., :half], images[..., half:]
            return left.mean((1, 2, 3))[:, None] * right.mean((1, 2, 3))[:, None]

    spec = NetworkSpec("none", SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    detector = ForgeryDetector(Both(), spec)
    fakes = np.full((1, SIDE, SIDE, 3), 255, np.uint8)
    labels = np.zeros((1, SIDE, SIDE), np.int8)
    labels[..., SIDE // 2 :] = 1
    removal, insertion, ends = region_effects(detector, fakes, 0 * fakes, labels, 2, 4)
    assert ends.tolist() == [[1.0, 0.0]]
    assert removal.tolist() == [[1.0, 1.0]]
    assert insertion.tolist() == [[0.0, 0.0]]


def test_the_order_of_the_contributions_has_the_highest_curves(additive):
    detector, fakes, originals, contributions = additive
    pair = detector, fakes, originals
    insertion, deletion = curve_logits(*pair, contributions, 8)
    ends = mixed_logits(
        *pair,
        [(n, np.full((SIDE, SIDE), fake)) for n in range(COUNT) for fake in (1, 0)],
        8,
    ).reshape(COUNT, 2)
    ranked = -np.sort(-contributions.reshape(COUNT, -1), axis=1)
    for column, fraction in enumerate(FRACTIONS):
        gain = ranked[:, : round(fraction * SIDE**2)].sum(1)
        assert insertion[:, column] - ends[:, 1] == pytest.approx(gain, abs=1e-3)
        assert ends[:, 0] - deletion[:, column] == pytest.approx(gain, abs=1e-3)
    keys = [str(n) for n in range(COUNT)]
    other, _ = curve_logits(*pair, random_orders(keys, SIDE, 0), 8)
    assert (other < insertion).all()


def test_random_orders_depend_on_the_key_and_the_seed_alone():
    one = random_orders(["a", "b"], 16, 0)
    assert np.array_equal(one[1], random_orders(["b"], 16, 0)[0])
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one, random_orders(["a", "b"], 16, 1))
    beside = np.corrcoef(one[0][:, 1:].ravel(), one[0][:, :-1].ravel())[0, 1]
    assert beside > 0.3  # spots, not single pixels


def test_random_networks_depend_on_seed_and_number_and_react_to_images():
    spec = NetworkSpec("test_resnet", 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    found = {}
    for number, seed in ((0, 0), (0, 0), (1, 0), (0, 1)):
        network = random_network(spec, number, seed, images)
        assert not network.training
        with torch.inference_mode():
            logits = network(images).numpy()
        assert logits.std() > 1e-3
        if (number, seed) in found:
            assert np.array_equal(found[number, seed], logits)
        assert not any(
            np.array_equal(v, logits) for k, v in found.items() if k != (number, seed)
        )
        found[number, seed] = logits
    assert torch.equal(before, torch.get_rng_state())


def keys_of(labels):
    frames = pd.DataFrame([row(n, "A" if fake else "real") for n, fake in labels])
    extra = {"subject": 0, "number": 0, "has_mask": True}
    return frames.assign(crop=range(len(frames)), **extra)[KEY_COLUMNS]


def test_the_sample_has_fakes_with_an_aligned_original_if_there_are_any():
    frames = keys_of([(n, n % 2) for n in range(20)])
    aligned = np.arange(20) < 11
    assert choose_sample(frames, aligned, 100)["crop"].tolist() == [1, 3, 5, 7, 9]
    found = choose_sample(frames, None, 5)
    assert len(found) == 5
    assert found["crop"].is_monotonic_increasing
    twice = pd.concat([frames, frames.assign(number=1, crop=frames["crop"] + 20)])
    assert choose_sample(twice, None, 10)["unit"].nunique() == 10
    assert found["network"].tolist() == [n % NETWORKS for n in range(5)]
    assert len(choose_sample(frames, np.zeros(20, bool), 100)) == 10
    assert choose_sample(frames[frames["label"] == 0], None, 5).empty


def test_a_control_shard_gives_back_the_maps_of_a_crop(tmp_path):
    frames = keys_of([(n, 1) for n in range(6)]).iloc[1::2].reset_index(drop=True)
    frames = frames.assign(network=0)
    maps = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float16)
    names = ("random", "real", "real_change", "random_real")
    stored = {
        "black": dict(zip(names, maps, strict=True)),
        "original": {"random": maps[0]},
    }
    empty = [
        pd.DataFrame(columns=columns) for columns in (REGION_COLUMNS, CURVE_COLUMNS)
    ]
    write_controls(tmp_path / "c.h5", frames, stored, *empty, {})
    with ControlShard(tmp_path / "c.h5") as shard:
        assert shard.frames["crop"].tolist() == [1, 3, 5]
        found = shard.maps_of("black", 3)
        for number, name in enumerate(names):
            assert np.array_equal(getattr(found, name), maps[number, 1])
        assert shard.maps_of("original", 3).real is None
        assert shard.maps_of("black", 2) is None
        assert set(shard.regions) == set(REGION_COLUMNS)
