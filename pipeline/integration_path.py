"""The straight path from a baseline to an image, integrated where it is hard.

Completeness (Sundararajan, Taly and Yan 2017, section 3) holds for each part of the
path as well: from node a to node c, attributions must add up to F(c) - F(a), and F
comes with every gradient. So the error of the trapezoid rule is known interval by
interval, and those are halved where it is large: steps go where the path is hard, and
no gradient that was computed is lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

# Changes of the logit below this are too small to take a share of.
FLOOR = 0.1
HARD = 0.5  # intervals are halved whose error is this part of the largest, or more


def completeness_error(
    total: np.ndarray | float, change: np.ndarray | float
) -> np.ndarray | float:
    """|total - change| / max(|change|, FLOOR): how far attributions miss their sum.

    `total` is the sum of the attributions and `change` is F(x) - F(baseline), logits.
    """
    return np.abs(total - change) / np.maximum(np.abs(change), FLOOR)


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

    def ask(self, nodes: Iterable[float]) -> list[float]:
        """Note that the gradients at `nodes` are to come."""
        nodes = list(nodes)
        self.asked.update(nodes)
        return nodes

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

    def error(self) -> float:
        """Completeness error as it stands."""
        change = self.logits[1.0] - self.logits[0.0]
        return float(completeness_error(change + self.interval_errors().sum(), change))

    def hard_middles(self, room: int) -> list[float]:
        """Middles of the intervals to halve next, `room` at most, the hardest first.

        None where there is no number between the ends of these: F jumps there.
        """
        nodes, _, _ = self.known()
        errors = np.abs(self.interval_errors())
        order = np.argsort(-errors, kind="stable")
        hard = order[errors[order] >= HARD * errors.max()][:room]
        middles = ((nodes[:-1] + nodes[1:]) / 2)[hard].tolist()
        return [middle for middle in middles if middle not in self.logits]

    def map(self) -> np.ndarray:
        """The trapezoid rule, added up in the order of the nodes: (H, W) float64."""
        nodes, _, _ = self.known()
        total = torch.zeros_like(self.image[0], dtype=torch.float64)
        for node, weight in zip(nodes.tolist(), trapezoid(nodes).tolist(), strict=True):
            total += weight * self.maps[node]
        return total.cpu().numpy()
