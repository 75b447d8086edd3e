"""Integrate maps along a path from 0 to 1, estimate the error, and place further nodes.

A map has P values, and is known at n increasing nodes inside the path. The rule gives
each node the part of the path that is nearest to it. So the integrand is taken to be a
straight line between nodes, and constant before the first node and after the last.

The estimate of the error takes each value as a random walk along the path. The gradient
of a ReLU network behaves like one: it is constant except for jumps at many places. If
two nodes at a distance w have values that differ by d, the integral of the walk between
them differs from that of the straight line by a random number of variance d^2 w^2 / 12
(the variance of the integral of a Brownian bridge). For the part of length a at an end
of the path, the variance is s^2 a^3 / 3, where s^2 is d^2 / w of the nearest gap, or
more if the walk becomes rougher towards the end (`end_growth`).

Over large distances, a gradient does not walk away without end, but returns to its
mean. Differences of neighbouring gaps are then negatively correlated, and the error is
larger than that of a walk with the same differences. `mean_reversion_factor` says how
much larger.
"""

import numpy as np

# The mean absolute value of a normal random number with variance 1.
MEAN_ABSOLUTE = float(np.sqrt(2 / np.pi))
# The error of the integral of a random walk, as a share of the difference to the rule
# on every second node: with n nodes the variance of the error is proportional to
# 1 / n^2, and the error is independent of the difference. So the difference has three
# times the variance of the error.
NESTED_SHARE = float(1 / np.sqrt(3))
MAX_END_GROWTH = 4.0  # of the roughness of a walk towards an end
# Correlations of neighbouring differences between which the factor is computed: of a
# random walk, and nearly of values without any memory.
CORRELATIONS = (-0.499, -0.001)


def node_weights(nodes: np.ndarray) -> np.ndarray:
    """The weights (n,) of increasing nodes (n,) in 0..1: their sum is 1."""
    middles = (nodes[1:] + nodes[:-1]) / 2
    return np.diff(np.concatenate([[0.0], middles, [1.0]]))


def gap_lengths(nodes: np.ndarray) -> np.ndarray:
    """The lengths (n + 1,) of the gaps: before, between and behind the nodes."""
    return np.diff(np.concatenate([[0.0], nodes, [1.0]]))


def gap_sums(nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The integral (n + 1,) over each gap, by the rule, of values (n,) at the nodes."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return gap_lengths(nodes) * (padded[1:] + padded[:-1]) / 2


def gap_factors(nodes: np.ndarray, growth: tuple[float, float]) -> np.ndarray:
    """The variance of the error of each gap's integral, (n + 1,), as a multiple of a
    squared difference: of the gap's two nodes, or at an end, of the nearest two.

    `growth` is that of both ends (`end_growth`).
    """
    lengths = gap_lengths(nodes)
    factors = lengths**2 / 12
    factors[0] = growth[0] * lengths[0] ** 3 / (3 * lengths[1])
    factors[-1] = growth[1] * lengths[-1] ** 3 / (3 * lengths[-2])
    return factors


def difference_factors(factors: np.ndarray) -> np.ndarray:
    """By what the squared differences between neighbouring nodes, n - 1 of them, are
    multiplied to add up to the variance of the error of the whole integral.

    `factors` (n + 1,) are those of the gaps.
    """
    inner = factors[1:-1].copy()
    inner[0] += factors[0]
    inner[-1] += factors[-1]
    return inner


def end_growth(nodes: np.ndarray, squares: np.ndarray) -> tuple[float, float]:
    """How many times rougher the walk is before the first node, and behind the last
    one, than between the nearest two nodes: 1..MAX_END_GROWTH.

    `squares` (n - 1,) are squared differences between neighbouring nodes, summed over
    values. Some paths become rougher towards an end: from noise, the logit changes
    mostly near the image. The increase from the last gap but one to the last gap is
    continued to the end. A decrease is not. There must be three nodes or more.
    """
    lengths = gap_lengths(nodes)
    rates = squares / lengths[1:-1]
    distances = lengths[1:] + lengths[:-1]  # twice those of the middles of gaps
    first = _continued(rates[0], rates[1], distances[0] / distances[1])
    last = _continued(rates[-1], rates[-2], distances[-1] / distances[-2])
    return first, last


def _continued(rate: float, inner: float, distance: float) -> float:
    """The growth of a rate over a distance, if it was `inner` at the distance 1 in the
    other direction: 1..MAX_END_GROWTH."""
    if not rate > inner > 0:
        return 1.0
    return float(np.exp(min(distance * np.log(rate / inner), np.log(MAX_END_GROWTH))))


def neighbour_correlation(nodes: np.ndarray, maps: np.ndarray) -> float:
    """The correlation of the differences of neighbouring gaps; 0 with a single gap.

    `maps` is (n, P). Each value counts in proportion to its size, as in an L1 norm.
    """
    steps = np.diff(maps, axis=0) / np.sqrt(np.diff(nodes))[:, None]
    scale = np.sqrt(np.square(steps).mean(0))
    weights = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    squares = np.square(steps) @ weights
    total = (squares[1:] + squares[:-1]).sum() / 2
    products = ((steps[1:] * steps[:-1]) @ weights).sum()
    return float(products / total) if total > 0 else 0.0


def mean_reversion_factor(correlation: float) -> float:
    """How many times larger the error is than that of a random walk, 1..2.4.

    `correlation` is that of the differences of neighbouring gaps: 0 for a walk, -1/2
    for values without memory. Between them, the values are taken as a process with the
    covariance exp(-distance) (Ornstein-Uhlenbeck), at nodes with the distance a. Then
    the correlation is -(1 - exp(-a)) / 2. The error of the integral has the variance
    coth(a / 2) - 2 / a, and the formula for a walk gives (1 - exp(-a)) / 6.
    """
    memory = 1 + 2 * np.clip(correlation, *CORRELATIONS)
    distance = -np.log(memory)
    true = 1 / np.tanh(distance / 2) - 2 / distance
    return float(np.sqrt(6 * true / (1 - memory)))


def nodes_to_add(variances: np.ndarray, wanted: float, limit: int) -> np.ndarray:
    """How many nodes each gap needs, (G,) int, so that variances add up to `wanted`.

    `variances` (G,) are those of the gaps of a path. Each node goes where it reduces
    the sum most. At most `limit` nodes are added.
    """
    added = np.zeros(len(variances), int)
    parts = variances.astype(float)
    while parts.sum() > wanted and added.sum() < limit:
        gains = parts - variances / _divisors(added + 1)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        added[best] += 1
        parts[best] -= gains[best]
    return added


def _divisors(added: np.ndarray) -> np.ndarray:
    """By what the variances of gaps (G,) are divided if nodes are added to them.

    A gap between two nodes has k + 1 parts after k nodes have been added. At the ends
    of the path, the gap counts as half a part: one that is k parts longer is divided by
    2 k + 1.
    """
    parts = added + 1
    parts[[0, -1]] = 2 * added[[0, -1]] + 1
    return parts**2


def spread_nodes(nodes: np.ndarray, added: np.ndarray) -> list[float]:
    """New nodes: `added` (n + 1,) in each gap of nodes (n,), evenly spaced.

    Nodes that no float separates from their neighbours are left out.
    """
    edges = np.concatenate([[0.0], nodes, [1.0]])
    found: list[float] = []
    for gap in np.flatnonzero(added):
        count, low, high = int(added[gap]), edges[gap], edges[gap + 1]
        if gap == 0:
            places = high - (high - low) / (count + 0.5) * np.arange(count, 0, -1)
        elif gap == len(nodes):
            places = low + (high - low) / (count + 0.5) * np.arange(1, count + 1)
        else:
            places = low + (high - low) * np.arange(1, count + 1) / (count + 1)
        found += places[(places > low) & (places < high)].tolist()
    return sorted(set(found))
