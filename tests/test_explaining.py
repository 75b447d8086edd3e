"""Maps as they are stored: in half precision, without what that would add."""

import numpy as np

from pipeline.explaining import half_precision
from pipeline.integration_path import completeness_error

SIDE = 96


def cancelling(seed: int, change: float) -> np.ndarray:
    """A map of strong values that add up to `change` all the same, (1, S, S)."""
    map = np.random.default_rng(seed).normal(0, 0.5, (1, SIDE, SIDE))
    return map + (change - map.sum()) / map.size


def test_the_sum_is_kept_where_much_cancels_out():
    changes = np.array([0.05, -0.2, 1.0] * 4)
    maps = np.concatenate([cancelling(n, change) for n, change in enumerate(changes)])
    plain = maps.astype(np.float16)
    kept = half_precision(maps, changes)
    errors = [
        completeness_error(half.sum((1, 2), dtype=np.float64), changes)
        for half in (plain, kept)
    ]
    assert errors[0].max() > 0.02  # what is to be mended
    assert errors[1].max() < 0.006
    # Nothing is farther off than the next number of half precision.
    step = np.abs(np.nextafter(plain, np.float16(np.inf)).astype(np.float64) - plain)
    assert (np.abs(kept - maps) <= 1.01 * step).all()
    assert (kept != plain).mean() < 0.02


def test_others_are_rounded_as_ever_and_zeros_stay():
    map = np.random.default_rng(0).normal(0, 1e-3, (1, SIDE, SIDE)) + 1e-3
    map[0, :10] = 0
    kept = half_precision(map, map.sum((1, 2)))
    assert np.array_equal(kept, map.astype(np.float16))
    assert not half_precision(np.zeros((2, 4, 4)), np.zeros(2)).any()
