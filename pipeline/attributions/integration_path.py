"""The straight paths from baselines to an image, integrated with adaptive steps.

Completeness (Sundararajan, Taly and Yan 2017, section 3) also holds for each part of a
path: from node a to node c, the attributions must add up to F(c) - F(a), and every
gradient is computed together with F. So the error of the trapezoid rule is known for
each interval, and the intervals with large errors are halved. No computed gradient is
discarded.

If an image has several baselines (noise), its heatmap is the mean over their paths.
Then the error of the mean counts, and intervals are chosen from all paths.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from pipeline.attributions.completeness import completeness_error

# Intervals are halved if their error is at least this share of the largest error.
MIN_ERROR_SHARE = 0.5


def trapezoid(nodes: np.ndarray) -> np.ndarray:
    """Weights (n,) of the trapezoid rule on increasing nodes from 0 to 1; sum 1."""
    widths = np.diff(nodes)
    return (np.append(widths, 0) + np.append(0, widths)) / 2


@dataclass
class IntegrationPath:
    """What is known at the nodes of a path, 0 at the baseline and 1 at the image.

    Attributes:
        image: (3, H, W).
        baseline: (3, H, W).
        requested: the nodes whose gradient is not yet known.
        logits: F at each known node.
        heatmaps: (H, W) at each known node: the gradient times (image - baseline),
            summed over colours.
        slopes: the sums of the heatmaps: the derivative of F along the path.
    """

    image: torch.Tensor
    baseline: torch.Tensor
    requested: set[float] = field(default_factory=set)
    logits: dict[float, float] = field(default_factory=dict)
    heatmaps: dict[float, torch.Tensor] = field(default_factory=dict)
    slopes: dict[float, float] = field(default_factory=dict)

    def request(self, node: float) -> None:
        """Note that `receive` will be called for this node."""
        self.requested.add(node)

    def receive(
        self, node: float, logit: float, slope: float, heatmap: torch.Tensor
    ) -> None:
        """Store what was computed at a requested node: see the attributes."""
        self.requested.remove(node)
        self.logits[node] = logit
        self.slopes[node] = slope
        self.heatmaps[node] = heatmap

    def known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The known nodes in order, their logits and slopes, each (n,) float64."""
        nodes = sorted(self.logits)
        logits = [self.logits[node] for node in nodes]
        slopes = [self.slopes[node] for node in nodes]
        return np.array(nodes), np.array(logits), np.array(slopes)

    def interval_errors(self) -> np.ndarray:
        """The trapezoid rule's sum minus the change of F, on each interval, (n - 1,)
        logits."""
        nodes, logits, slopes = self.known()
        return np.diff(nodes) * (slopes[1:] + slopes[:-1]) / 2 - np.diff(logits)

    def midpoints(self) -> np.ndarray:
        """The middle of each interval, (n - 1,). NaN if no float lies between its ends,
        which happens where F jumps."""
        nodes, _, _ = self.known()
        midpoints = (nodes[:-1] + nodes[1:]) / 2
        return np.where(np.isin(midpoints, nodes), np.nan, midpoints)

    def heatmap(self) -> np.ndarray:
        """The integral by the trapezoid rule, (H, W) float64 in logits.

        Terms are added in the order of the nodes, so that the bits are always the same.
        """
        nodes, _, _ = self.known()
        total = torch.zeros_like(self.image[0], dtype=torch.float64)
        for node, weight in zip(nodes.tolist(), trapezoid(nodes).tolist(), strict=True):
            total += weight * self.heatmaps[node]
        return total.cpu().numpy()


class ImagePaths:
    """The paths to an image (3, H, W) from each of its baselines (D, 3, H, W)."""

    def __init__(self, image: torch.Tensor, baselines: torch.Tensor) -> None:
        self.image, self.baselines = image, baselines
        self.paths = [IntegrationPath(image, baseline) for baseline in baselines]

    def is_waiting(self) -> bool:
        """Whether requested gradients are still missing."""
        return any(path.requested for path in self.paths)

    def steps(self) -> int:
        """How many gradients are known. The one at the image belongs to all paths."""
        return sum(len(path.heatmaps) - 1 for path in self.paths) + 1

    def end_logits(self) -> tuple[float, float]:
        """F(x), and the mean of F over the baselines."""
        starts = [path.logits[0.0] for path in self.paths]
        return self.paths[0].logits[1.0], float(np.mean(starts))

    def error(self) -> float:
        """Completeness error of the mean heatmap with the known nodes."""
        logit, baseline_logit = self.end_logits()
        change = logit - baseline_logit
        surplus = np.mean([path.interval_errors().sum() for path in self.paths])
        return float(completeness_error(change + surplus, change))

    def largest_error_midpoints(
        self, count: int
    ) -> list[tuple[IntegrationPath, float]]:
        """At most `count` midpoints of the intervals with the largest errors.

        The largest error comes first. Intervals without a midpoint are left out (see
        `IntegrationPath.midpoints`).
        """
        errors_by_path = [np.abs(path.interval_errors()) for path in self.paths]
        lengths = [len(errors) for errors in errors_by_path]
        owners = np.repeat(np.arange(len(lengths)), lengths)
        midpoints = np.concatenate([path.midpoints() for path in self.paths])
        errors = np.concatenate(errors_by_path)
        order = np.argsort(-errors, kind="stable")
        chosen = order[errors[order] >= MIN_ERROR_SHARE * errors.max()][:count]
        chosen = chosen[np.isfinite(midpoints[chosen])]
        return [(self.paths[owners[one]], float(midpoints[one])) for one in chosen]

    def heatmap(self) -> np.ndarray:
        """The mean of the paths' heatmaps, (H, W) float64 in logits."""
        return np.mean([path.heatmap() for path in self.paths], axis=0)
