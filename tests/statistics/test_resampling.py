"""Units are resampled; intervals and tests keep their error rates."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from pipeline.statistics.resampling import (
    MIN_UNITS,
    Replicates,
    count_units,
    interval,
    resampled_means,
    unit_correlation,
    units_of,
    weights,
)
from pipeline.statistics.significance import (
    MIN_TESTED_UNITS,
    joint_threshold,
    picture,
)
from tests.support.significance import significant_places


def units(count: int, first=0) -> list[tuple[str, str]]:
    return [(f"p{first + n:03d}", "") for n in range(count)]


def replicates(values: np.ndarray, frames: int = 1, first=0) -> np.ndarray:
    """Resampled means of values (units, P), each in `frames` equal frames."""
    found = None
    for value, name in zip(values, units(len(values), first), strict=True):
        drawn = weights([name], 400, 0)[:, 0]
        one = Replicates.of(np.repeat(value[None], frames, 0), drawn)
        found = one if found is None else found.merged(one)
    return found.means()


def test_weights_depend_only_on_name_and_seed():
    names = units(50)
    drawn = weights(names, 400, 7)
    assert drawn.mean() == pytest.approx(1, abs=0.03)
    assert drawn.var() == pytest.approx(1, abs=0.05)
    assert np.array_equal(weights(names[::-1], 400, 7)[:, ::-1], drawn)
    assert np.array_equal(weights(names[3:4], 400, 7)[:, 0], drawn[:, 3])
    assert not np.array_equal(weights(names, 400, 8), drawn)


def test_the_weight_of_two_units_is_the_product_of_both():
    one, other, both = weights([("a", ""), ("b", ""), ("b", "a")], 400, 0).T
    assert np.array_equal(both, one * other)


def test_crossed_units_count_as_the_fewer_of_targets_and_sources():
    crossed = [("d/a", "d/b"), ("d/c", "d/b"), ("d/a", "d/e"), ("d/b", "")]
    assert count_units(crossed) == 2  # the real video shows one of these persons
    pairs = [("f/a+b", ""), ("f/c+d", ""), ("f/a+b", "")]
    assert count_units(pairs) == 2
    assert count_units(pairs + crossed) == 4
    other = [("g/x", "g/y"), ("g/z", "g/y")]
    assert count_units(pairs + crossed + other) == 5


def test_units_are_resampled_and_not_frames():
    values = np.random.default_rng(1).normal(size=(60, 30))
    errors = [replicates(values, frames).std(0).mean() for frames in (1, 3)]
    analytic = (values.std(0, ddof=1) / 60**0.5).mean()
    assert errors[0] == pytest.approx(analytic, rel=0.12)
    assert errors[1] == pytest.approx(errors[0])


def test_means_over_crossed_targets_and_sources_vary_with_both():
    """10 x 10 targets and sources: the variance is that of both factors together."""
    rng = np.random.default_rng(2)
    target, source = rng.normal(size=(2, 10, 200))
    values = (target[:, None] + source[None]).reshape(100, 200)
    names = [(f"t{n // 10}", f"s{n % 10}") for n in range(100)]
    crossed = resampled_means(values, names, 400, 0).std(0).mean()
    one_way = [(first, "") for first, _ in names]
    targets = resampled_means(values, one_way, 400, 0).std(0).mean()
    truth = (2 / 10) ** 0.5
    assert crossed == pytest.approx(truth, rel=0.15)
    assert targets < 0.8 * truth


def test_merged_replicates_are_the_means_of_all_items():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(6, 3))
    names = [name for name in units(6) for _ in range(2)]
    means = resampled_means(values.repeat(2, 0), names, 400, 0)
    assert np.allclose(replicates(values, 2), means, equal_nan=True)
    values[2, 1] = np.nan  # counts in neither the sum nor the number
    kept = [n for n in range(6) if n != 2]
    some = resampled_means(values[kept], [units(6)[n] for n in kept], 400, 0)
    every = resampled_means(values, units(6), 400, 0)
    assert np.allclose(every[:, 1], some[:, 1], equal_nan=True)


def test_the_interval_is_that_of_scipy_without_the_widening():
    """With many units the widening is small, and SciPy's BCa interval is the same."""
    rng = np.random.default_rng(4)
    values = rng.exponential(size=(400, 1))
    drawn = resampled_means(values, units(400), 4000, 0)[:, 0]
    low, high = interval(values.mean(), drawn, 400)
    theirs = bootstrap((values[:, 0],), np.mean, n_resamples=4000, rng=rng)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.06 * width)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.06 * width)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("count", [MIN_UNITS, 20])
def test_intervals_of_few_units_cover_the_mean(kind, count):
    """benchmarks/inference_coverage.py has the figures; bounds are at 0.1 % here."""
    rng = np.random.default_rng(5)
    shape = (count, 400)
    values = rng.normal(1, 1, shape) if kind == "normal" else rng.exponential(1, shape)
    drawn = resampled_means(values, units(count), 600, 0)
    pairs = zip(values.mean(0), drawn.T, strict=True)
    bounds = np.array([interval(value, one, count) for value, one in pairs])
    covered = ((bounds[:, 0] <= 1) & (bounds[:, 1] >= 1)).mean()
    assert 0.90 <= covered <= 0.985


def test_too_few_units_have_no_interval():
    drawn = np.linspace(0, 1, 100)
    assert np.isnan(interval(0.5, drawn, MIN_UNITS - 1)).all()
    assert np.isfinite(interval(0.5, drawn, MIN_UNITS)).all()
    assert np.isnan(interval(0.5, np.full(100, np.nan), 50)).all()
    assert interval(1.0, np.ones(100), 50) == (1.0, 1.0)
    # Resamples that differ only by rounding; and none near the value.
    assert interval(0.3, 0.3 + np.array([0, 1, 2]) * 5e-17, 50) == (0.3, 0.3)
    assert np.isnan(interval(-0.1, drawn, 50)).all()


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_correlation_within_units_is_estimated(correlation):
    rng = np.random.default_rng(6)
    shared = rng.normal(size=400).repeat(2) * correlation**0.5
    values = shared + rng.normal(size=800) * (1 - correlation) ** 0.5
    names = np.arange(400).repeat(2).astype(str)
    assert unit_correlation(values, names) == pytest.approx(correlation, abs=0.1)
    assert np.isnan(unit_correlation(values[::2], names[::2]))
    assert np.isnan(unit_correlation(values[:14], names[:14]))  # seven units


def test_a_planted_difference_is_found_at_its_place():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 40, 64))
    one[:, 5] += 3
    drawn = replicates(one, 2) - replicates(other, 2, first=100)
    found = significant_places(one.mean(0) - other.mean(0), drawn, 40)
    assert found[5]
    assert found.sum() <= 2


@pytest.mark.parametrize(
    ("pairs", "paired"),  # paired: with the real faces of the same persons
    [(MIN_TESTED_UNITS, True), (MIN_TESTED_UNITS, False), (12, True), (30, False)],
)
def test_false_positives_are_rare_over_all_values_together(pairs, paired):
    """The two persons of a pair correlate by 0.5: resampling persons would fail."""
    rng = np.random.default_rng(3)
    false_positives = 0
    for trial in range(40):
        shared, own = (
            rng.normal(size=(2, pairs, 1, 1024)),
            rng.normal(size=(2, pairs, 2, 1024)),
        )
        one, other = (shared + own).mean(2)
        drawn = [
            resampled_means(values, units(pairs, first), 400, trial)
            for values, first in ((one, 0), (other, 0 if paired else 100))
        ]
        where = significant_places(
            one.mean(0) - other.mean(0), drawn[0] - drawn[1], pairs
        )
        false_positives += where.any()
    assert false_positives <= 7  # 2 are expected; 8 or more have a probability < 0.1 %


def test_false_positives_are_rare_over_all_pictures_of_a_run():
    """Eight pictures of one run: each by itself would be false in 5 % of the runs."""
    rng = np.random.default_rng(4)
    alone = together = 0
    for trial in range(40):
        pictures = []
        for _ in range(8):
            values = rng.normal(size=(20, 64))
            drawn = resampled_means(values, units(20, 0), 400, trial)
            pictures.append(picture(values.mean(0), drawn, 20))
        joint = joint_threshold(pictures)
        together += any(one.significant(joint).any() for one in pictures)
        alone += any(one.significant(joint_threshold([one])).any() for one in pictures)
    assert together <= 7  # 2 are expected; 8 or more have a probability < 0.1 %
    assert alone > together


def test_a_resample_without_values_counts_for_the_other_pictures():
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=(2, 100, 8))
    drawn[0, :50] = np.nan
    one, other = (picture(d[60], d, 10) for d in drawn)
    assert np.isnan(one.largest[:50]).all()
    assert joint_threshold([one, other]) >= joint_threshold([other])
    assert np.isnan(joint_threshold([]))


def test_with_few_units_or_without_spread_no_difference_is_significant():
    drawn = replicates(np.ones((3, 8)))
    assert not significant_places(np.ones(8), drawn, 3).any()
    assert not significant_places(np.ones(8), np.ones((400, 8)), 30).any()


def test_units_of_tables_are_read_by_row():
    table = pd.DataFrame({"unit": ["a", "b"], "second_unit": ["", "c"], "x": [1, 2]})
    assert units_of(table) == [("a", ""), ("b", "c")]
