"""What is known along the paths from baselines to an image, and how accurate it is.

Two errors are known without further gradients. Completeness (Sundararajan, Taly and Yan
2017, "Axiomatic Attribution for Deep Networks", section 3) holds for the path and for
each part of it: from a to c, the attributions must add up to F(c) - F(a), and F is
computed with every gradient. This checks sums over all pixels. The error of the map
itself is estimated from the differences between neighbouring nodes (`quadrature`), on
squares of pixels.

If an image has several baselines (noise), its heatmap is the mean over their paths. All
paths then have the same nodes, and the errors are those of the mean: the paths end at
the same image, so that their errors are alike and do not cancel out.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from pipeline.attributions import quadrature
from pipeline.attributions.completeness import completeness_error

# Further nodes are placed for an error of this share of the tolerance.
AIMED_SHARE = 0.97
# The largest number of nodes after further ones have been placed, as a multiple of the
# number before, rounded up. A first estimate is uncertain, and a node that is placed
# too early costs more than another estimate.
MAX_GROWTH = 1.25
# Where the sum is wrong, gaps get a node if their error is at least this share of the
# largest error.
MIN_ERROR_SHARE = 0.5
# The stated error of a map is the expected error times a margin, so that the true error
# is smaller for most maps. The true error is a sum over squares. It varies by more if
# few squares make up most of it: the margin is MARGIN + MARGIN_OF_ONE / sqrt(number of
# squares). Both were chosen in benchmarks/attribution.py.
MARGIN, MARGIN_OF_ONE = 1.15, 1.5


@dataclass
class IntegrationPath:
    """What is known along one path, from 0 at the baseline to 1 at the image.

    Attributes:
        image: (3, H, W).
        baseline: (3, H, W).
        requested: the nodes, and the ends 0 and 1, that are not yet known.
        logits: F at the known nodes and ends.
        heatmaps: (H, W) at each known node: the gradient times (image - baseline),
            summed over colours.
        slopes: the sums of the heatmaps: the derivative of F along the path.
        squares: (P,) float64: the heatmaps summed over squares.
    """

    image: torch.Tensor
    baseline: torch.Tensor
    requested: set[float] = field(default_factory=set)
    logits: dict[float, float] = field(default_factory=dict)
    heatmaps: dict[float, torch.Tensor] = field(default_factory=dict)
    slopes: dict[float, float] = field(default_factory=dict)
    squares: dict[float, np.ndarray] = field(default_factory=dict)

    def request(self, position: float) -> None:
        """Note that a node's gradient, or the logit at an end, will be received."""
        self.requested.add(position)

    def receive_end(self, end: float, logit: float) -> None:
        """Store F at a requested end."""
        self.requested.remove(end)
        self.logits[end] = logit

    def receive(
        self,
        node: float,
        logit: float,
        slope: float,
        heatmap: torch.Tensor,
        squares: np.ndarray,
    ) -> None:
        """Store what was computed at a requested node: see the attributes."""
        self.requested.remove(node)
        self.logits[node] = logit
        self.slopes[node] = slope
        self.heatmaps[node] = heatmap
        self.squares[node] = squares


@dataclass(frozen=True)
class MapErrors:
    """The errors of an image's heatmap, as shares of its L1 norm.

    Attributes:
        squares: of the heatmap summed over squares of pixels.
        pixels: of its single pixels.
        draws: of the mean over the drawn baselines, for other draws, on squares; NaN if
            there is one baseline.
    """

    squares: float
    pixels: float
    draws: float


@dataclass(frozen=True)
class MapEstimate:
    """What is known of the heatmap on squares, with some nodes.

    Attributes:
        nodes: (n,), on each path.
        norm: the L1 norm of the heatmap, in logits.
        error_factor: the stated error divided by the sum of the standard deviations,
            for independent random walks: see `mean_reversion_factor`, MEAN_ABSOLUTE and
            MARGIN.
        gap_factors: (n + 1,): see `quadrature.gap_factors`.
        gap_shares: (n + 1,): what each gap adds to the sum of the standard deviations
            of the squares' errors, in logits.
    """

    nodes: np.ndarray
    norm: float
    error_factor: float
    gap_factors: np.ndarray
    gap_shares: np.ndarray

    def map_error(self) -> float:
        """The stated error of the heatmap: see `MapErrors`."""
        return _share(self.error_factor * self.gap_shares.sum(), self.norm)

    def nodes_for(self, tolerance: float, limit: int) -> list[float]:
        """At most `limit` further nodes, with which the error of the map is expected to
        be within `tolerance`. They go where they reduce it most."""
        reduced = (AIMED_SHARE * tolerance / self.map_error()) ** 2
        growth = int(np.ceil((MAX_GROWTH - 1) * len(self.nodes)))
        wanted = reduced * self.gap_shares.sum()
        added = quadrature.nodes_to_add(self.gap_shares, wanted, min(limit, growth))
        return quadrature.spread_nodes(self.nodes, added)


class ImagePaths:
    """The paths to an image (3, H, W) from each of its baselines (D, 3, H, W)."""

    def __init__(self, image: torch.Tensor, baselines: torch.Tensor) -> None:
        self.image, self.baselines = image, baselines
        self.paths = [IntegrationPath(image, baseline) for baseline in baselines]

    def is_waiting(self) -> bool:
        """Whether requested values are still missing."""
        return any(path.requested for path in self.paths)

    def nodes(self) -> np.ndarray:
        """The known nodes, (n,) increasing: the same on all paths."""
        return np.array(sorted(self.paths[0].heatmaps))

    def steps(self) -> int:
        """How many gradients are known."""
        return len(self.nodes()) * len(self.paths)

    def end_logits(self) -> tuple[float, float]:
        """F(x), and the mean of F over the baselines."""
        starts = [path.logits[0.0] for path in self.paths]
        return self.paths[0].logits[1.0], float(np.mean(starts))

    def change(self) -> float:
        """F(x) minus the mean of F over the baselines."""
        logit, baseline_logit = self.end_logits()
        return logit - baseline_logit

    def gap_errors(self) -> np.ndarray:
        """The rule's sum minus the change of F, (D, n + 1) logits: for each path, the
        gaps before, between and behind its nodes."""
        nodes = self.nodes()
        found = []
        for path in self.paths:
            slopes = np.array([path.slopes[node] for node in nodes])
            logits = np.array([path.logits[at] for at in (0.0, *nodes, 1.0)])
            found.append(quadrature.gap_sums(nodes, slopes) - np.diff(logits))
        return np.stack(found)

    def sum_error(self, norm: float) -> float:
        """Completeness error of the mean heatmap with the known nodes, whose L1 norm is
        `norm`."""
        change, surplus = self.change(), self.gap_errors().mean(0).sum()
        return float(completeness_error(change + surplus, change, norm))

    def interval_error(self, norm: float) -> float:
        """The sum of the gaps' absolute errors, relative as the completeness error.

        It is never smaller than the completeness error, where errors of gaps with
        different signs cancel out.
        """
        change, total = self.change(), np.abs(self.gap_errors()).sum(1).mean()
        return float(completeness_error(change + total, change, norm))

    def estimate(self) -> MapEstimate:
        """What is known of the heatmap on squares."""
        nodes = self.nodes()
        squares = self._squares().mean(0)
        steps = np.square(np.diff(squares, axis=0))
        # Each square counts in proportion to its size.
        scale = np.sqrt(steps.mean(0))
        growth = quadrature.end_growth(nodes, steps @ _inverse(scale))
        factors = quadrature.gap_factors(nodes, growth)
        spread = np.sqrt(quadrature.difference_factors(factors) @ steps)
        parts = steps @ _inverse(spread)
        nearest = np.concatenate([parts[:1], parts, parts[-1:]])
        correlation = quadrature.neighbour_correlation(nodes, squares)
        reversion = quadrature.mean_reversion_factor(correlation)
        # One over the effective number of squares: 1 if one has all of the error.
        concentration = _share(np.square(spread).sum(), spread.sum() ** 2)
        margin = MARGIN + MARGIN_OF_ONE * np.sqrt(concentration)
        return MapEstimate(
            nodes=nodes,
            norm=float(np.abs(quadrature.node_weights(nodes) @ squares).sum()),
            error_factor=margin * quadrature.MEAN_ABSOLUTE * reversion,
            gap_factors=factors,
            gap_shares=factors * nearest,
        )

    def _squares(self) -> np.ndarray:
        """The heatmaps at the nodes, summed over squares, (D, n, P)."""
        nodes = self.nodes().tolist()
        return np.stack([[path.squares[node] for node in nodes] for path in self.paths])

    def errors(self, heatmap: np.ndarray) -> MapErrors:
        """All errors of `heatmap()`, which is given because it takes time."""
        estimate = self.estimate()
        variance = self._pixel_variance(estimate.gap_factors)
        spread = variance.sqrt().sum(dtype=torch.float64).item()
        norm = float(np.abs(heatmap).sum())
        return MapErrors(
            squares=estimate.map_error(),
            pixels=_share(estimate.error_factor * spread, norm),
            draws=self._draw_error(),
        )

    def _pixel_variance(self, gap_factors: np.ndarray) -> torch.Tensor:
        """The variance of the error of each pixel of a random walk, (H, W)."""
        nodes = self.nodes().tolist()
        factors = quadrature.difference_factors(gap_factors).tolist()
        total = torch.zeros_like(self.image[0])
        for one, other, factor in zip(nodes[:-1], nodes[1:], factors, strict=True):
            step = self._node_heatmap(other) - self._node_heatmap(one)
            total += factor * step.square()
        return total

    def _draw_error(self) -> float:
        """How much other draws of the baselines would change the map, on squares."""
        if len(self.paths) == 1:
            return np.nan
        maps = quadrature.node_weights(self.nodes()) @ self._squares()
        spread = maps.std(0, ddof=1) / np.sqrt(len(maps))
        norm = np.abs(maps.mean(0)).sum()
        return _share(quadrature.MEAN_ABSOLUTE * spread.sum(), norm)

    def nodes_for_sum(self, limit: int) -> list[float]:
        """At most `limit` further nodes, one in each gap whose sum is most wrong."""
        errors = np.abs(self.gap_errors().mean(0))
        order = np.argsort(-errors, kind="stable")
        chosen = order[errors[order] >= MIN_ERROR_SHARE * errors.max()][:limit]
        added = np.bincount(chosen, minlength=len(errors))
        return quadrature.spread_nodes(self.nodes(), added)

    def heatmap(self, every: int = 1) -> np.ndarray:
        """The integral by the rule on every n-th node, (H, W) float64 in logits.

        Terms are added in the order of the nodes, so that the bits are always the same.
        """
        nodes = self.nodes()[::every]
        weights = quadrature.node_weights(nodes).tolist()
        total = torch.zeros_like(self.image[0], dtype=torch.float64)
        for node, weight in zip(nodes.tolist(), weights, strict=True):
            total += weight * self._node_heatmap(node)
        return total.cpu().numpy()

    def _node_heatmap(self, node: float) -> torch.Tensor:
        """The mean of the paths' heatmaps at a node, (H, W)."""
        first, *others = (path.heatmaps[node] for path in self.paths)
        return torch.stack([first, *others]).mean(0) if others else first


def _inverse(values: np.ndarray) -> np.ndarray:
    """One over values; 0 where they are 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=values != 0)


def _share(part: float, norm: float) -> float:
    """`part` as a share of `norm`; 0 if both are 0, and infinite if only `norm` is."""
    if part == 0:
        return 0.0
    return float(part / norm) if norm else np.inf
