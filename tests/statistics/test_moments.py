"""Merged statistics of maps equal those of NumPy and need constant memory."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.statistics.moments import Moments, Sketch, tree_merge
from pipeline.statistics.poisson_bootstrap import Replicates, weights
from pipeline.statistics.significance import MIN_IDENTITIES, significant_difference


def maps(count=40, seed=0, size=6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (count, size, size)) ** 3


def parts(all_maps: np.ndarray) -> list[np.ndarray]:
    edges = [0, 1, 7, 8, 30, len(all_maps)]
    return [all_maps[a:b] for a, b in pairwise(edges)]


def test_merged_moments_equal_those_of_numpy():
    found = tree_merge((Moments.of(v) for v in parts(maps())), _merge)
    assert found.count == 40
    assert np.allclose(found.mean, maps().mean(0), rtol=1e-12, atol=1e-15)
    assert np.allclose(found.std(), maps().std(0, ddof=1), rtol=1e-12)
    assert np.isnan(Moments.of(maps(1)).std()).all()


def _merge(one, other):
    return one.merged(other)


@pytest.mark.parametrize("count", [*range(1, 10), 1000])
def test_parts_are_merged_in_a_balanced_tree_with_few_in_memory(count):
    made, merges, most = 0, 0, 0

    def leaves():
        nonlocal made, most
        for number in range(count):
            made += 1
            most = max(most, made - merges)
            yield (number,), 0

    def merge(one, other):
        nonlocal merges
        merges += 1
        return one[0] + other[0], 1 + max(one[1], other[1])

    order, height = tree_merge(leaves(), merge)
    assert order == tuple(range(count))
    assert height == (count - 1).bit_length()
    assert most <= count.bit_length() + 1


@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_medians_are_within_their_error_bound(count):
    sample = maps(count)
    sample[: count // 3, 0, 0] = 0  # some exact zeros
    sample[:, 1, 1] = np.linspace(-30, 30, count)  # beyond the range
    sketch = Sketch.of(sample[: count // 2 + 1])
    rest = sample[count // 2 + 1 :]
    if len(rest):
        sketch = Sketch.of(rest).merged(sketch)
    near = {"rtol": 0.091, "atol": 2.0**-24}
    for found, of in (
        (sketch.median(), sample),
        (sketch.median_absolute(), abs(sample)),
    ):
        wanted = np.quantile(of.clip(-15.9, 15.9), 0.5, axis=0, method="inverted_cdf")
        assert np.allclose(found, wanted, **near)


def test_memory_does_not_grow_with_the_number_of_maps():
    few, many = (Sketch.of(maps(n)).counts.nbytes for n in (10, 1000))
    assert few == many


def test_weights_depend_only_on_name_and_seed():
    names = [f"person {n}" for n in range(50)]
    drawn = weights(names, 400, 7)
    assert drawn.mean() == pytest.approx(1, abs=0.03)
    assert drawn.var() == pytest.approx(1, abs=0.05)
    assert np.array_equal(weights(names[::-1], 400, 7)[::-1], drawn)
    assert np.array_equal(weights(["person 3"], 400, 7)[0], drawn[3])
    assert not np.array_equal(weights(names, 400, 8), drawn)


def resampled(values: np.ndarray, frames: int, seed=0, first=0) -> Replicates:
    """Replicates of values (people, P), each in `frames` equal frames."""
    names = [f"p{first + n}" for n in range(len(values))]
    found = None
    for value, drawn in zip(values, weights(names, 400, seed), strict=True):
        one = Replicates.of(np.repeat(value[None], frames, 0), drawn)
        found = one if found is None else found.merged(one)
    return found


def test_people_are_resampled_and_not_frames():
    values = np.random.default_rng(1).normal(size=(60, 30))
    errors = [resampled(values, frames).means().std(0).mean() for frames in (1, 3)]
    analytic = (values.std(0, ddof=1) / 60**0.5).mean()
    assert errors[0] == pytest.approx(analytic, rel=0.12)
    assert errors[1] == pytest.approx(errors[0])


def test_a_planted_difference_is_found_at_its_place():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 40, 64))
    one[:, 5] += 3
    a, b = resampled(one, 2), resampled(other, 2, first=100)
    found = significant_difference(
        one.mean(0) - other.mean(0), a.means() - b.means(), 40
    )
    assert found[5]
    assert found.sum() <= 2


@pytest.mark.parametrize(
    ("people", "paired"),  # paired: with the real faces of the same people
    [(MIN_IDENTITIES, True), (MIN_IDENTITIES, False), (12, True), (30, False)],
)
def test_false_positives_are_rare_over_all_values_together(people, paired):
    rng = np.random.default_rng(3)
    false_positives = 0
    for trial in range(40):
        one, other = rng.normal(size=(2, people, 1024))
        a, b = (
            weights_of(people, trial),
            weights_of(people, trial, 0 if paired else 100),
        )
        where = significant_difference(
            one.mean(0) - other.mean(0),
            Replicates(a.T @ one, a.sum(0)).means()
            - Replicates(b.T @ other, b.sum(0)).means(),
            people,
        )
        false_positives += where.any()
    assert false_positives <= 7  # 2 are expected; 8 or more have a probability < 0.1 %


def weights_of(people: int, seed: int, first=0) -> np.ndarray:
    names = [f"p{first + n}" for n in range(people)]
    return weights(names, 400, seed).astype(np.float64)


def test_with_few_people_or_without_spread_no_difference_is_significant():
    values = np.ones((3, 8))
    a = resampled(values, 1)
    assert not significant_difference(np.ones(8), a.means(), 3).any()
    assert not significant_difference(np.ones(8), np.ones((400, 8)), 30).any()
