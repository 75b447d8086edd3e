"""Merged statistics of maps equal those of NumPy and need constant memory."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.statistics.moments import Moments, Sketch, tree_merge


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
