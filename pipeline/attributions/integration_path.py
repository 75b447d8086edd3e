"""The straight paths from baselines to an image, integrated where they are hard.

Completeness (Sundararajan, Taly and Yan 2017, section 3) holds for each part of the
path as well: from node a to node c, attributions must add up to F(c) - F(a), and F
comes with every gradient. So the error of the trapezoid rule is known interval by
interval, and those are halved where it is large: steps go where the path is hard, and
no gradient that was computed is lost.

Where an image has several baselines (noise), its map is the mean over their paths: the
mean's error is what counts, and the hardest intervals of all paths are halved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from pipeline.attributions.completeness import completeness_error

HARD = 0.5  # intervals are halved whose error is this part of the largest, or more


def trapezoid(nodes: np.ndarray) -> np.ndarray:
    """Weights (n,) of the trapezoid rule on increasing nodes from 0 to 1; sum 1."""
    widths = np.diff(nodes)
    return (np.append(widths, 0) + np.append(0, widths)) / 2


@dataclass
class IntegrationPath:
    """What is known at the nodes of a path, 0 at the baseline and 1 at the image."""

    image: torch.Tensor  # (3, H, W)
    baseline: torch.Tensor
    asked: set[float] = field(default_factory=set)
    logits: dict[float, float] = field(default_factory=dict)
    maps: dict[float, torch.Tensor] = field(default_factory=dict)  # (H, W) at each node
    slopes: dict[float, float] = field(default_factory=dict)  # the maps' sums

    def ask(self, node: float) -> None:
        """Wait for what `answer` takes in."""
        self.asked.add(node)

    def answer(
        self, node: float, logit: float, slope: float, map: torch.Tensor
    ) -> None:
        """Take in what was asked for: F, the map (H, W) of the gradient times the
        whole change of each pixel, and that map's sum."""
        self.asked.remove(node)
        self.logits[node], self.slopes[node], self.maps[node] = logit, slope, map

    def known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes in their order, logits and slopes there, each (n,) float64."""
        nodes = sorted(self.logits)
        logits, slopes = ([of[n] for n in nodes] for of in (self.logits, self.slopes))
        return np.array(nodes), np.array(logits), np.array(slopes)

    def interval_errors(self) -> np.ndarray:
        """How much too large the trapezoid's sum is on each interval, (n - 1,)."""
        nodes, logits, slopes = self.known()
        return np.diff(nodes) * (slopes[1:] + slopes[:-1]) / 2 - np.diff(logits)

    def middles(self) -> np.ndarray:
        """The middle of each interval, (n - 1,); NaN where there is no number between
        its ends: F jumps there."""
        nodes, _, _ = self.known()
        middles = (nodes[:-1] + nodes[1:]) / 2
        return np.where(np.isin(middles, nodes), np.nan, middles)

    def map(self) -> np.ndarray:
        """The trapezoid rule, added up in the order of the nodes: (H, W) float64."""
        nodes, _, _ = self.known()
        total = torch.zeros_like(self.image[0], dtype=torch.float64)
        for node, weight in zip(nodes.tolist(), trapezoid(nodes).tolist(), strict=True):
            total += weight * self.maps[node]
        return total.cpu().numpy()


class ImagePaths:
    """The paths to an image (3, H, W) from each of its baselines (D, 3, H, W)."""

    def __init__(self, image: torch.Tensor, baselines: Sequence[torch.Tensor]) -> None:
        self.image, self.baselines = image, baselines
        self.paths = [IntegrationPath(image, baseline) for baseline in baselines]

    def waits(self) -> bool:
        """Whether gradients are still to come."""
        return any(path.asked for path in self.paths)

    def steps(self) -> int:
        """How many gradients are known; at the image, all paths have the same."""
        return sum(len(path.maps) - 1 for path in self.paths) + 1

    def ends(self) -> tuple[float, float]:
        """F(x), and F(baseline) in the mean."""
        starts = [path.logits[0.0] for path in self.paths]
        return self.paths[0].logits[1.0], float(np.mean(starts))

    def error(self) -> float:
        """Completeness error of the mean map as it stands."""
        logit, start = self.ends()
        surplus = np.mean([path.interval_errors().sum() for path in self.paths])
        return float(completeness_error(logit - start + surplus, logit - start))

    def hard_middles(self, room: int) -> list[tuple[IntegrationPath, float]]:
        """Middles of the intervals to halve next, `room` at most, the hardest first.

        Those in which F jumps are left out: there is no number in them.
        """
        errors = [np.abs(path.interval_errors()) for path in self.paths]
        middles = np.concatenate([path.middles() for path in self.paths])
        owners = np.repeat(np.arange(len(errors)), [len(of) for of in errors])
        every = np.concatenate(errors)
        order = np.argsort(-every, kind="stable")
        hard = order[every[order] >= HARD * every.max()][:room]
        hard = hard[np.isfinite(middles[hard])]
        return [(self.paths[owners[one]], float(middles[one])) for one in hard]

    def map(self) -> np.ndarray:
        """The mean of the paths' maps, (H, W) float64."""
        return np.mean([path.map() for path in self.paths], axis=0)
