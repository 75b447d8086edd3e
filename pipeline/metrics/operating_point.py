"""A detector's operating point, chosen on validation data and used on test data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

TEMPERATURES = (0.05, 20.0)  # a detector that makes no mistake has no best one


@dataclass(frozen=True)
class OperatingPoint:
    """What turns logits into decisions and into probabilities."""

    threshold: float  # logit from which an item is called fake
    temperature: float  # that logits are divided by to make probabilities


def choose_point(labels: np.ndarray, logits: np.ndarray) -> OperatingPoint:
    """The operating point of (N,) validation labels, 0 real or 1 fake, and logits."""
    return OperatingPoint(
        best_threshold(labels, logits), best_temperature(labels, logits)
    )


def best_threshold(labels: np.ndarray, logits: np.ndarray) -> float:
    """The threshold with the highest balanced accuracy.

    Half-way between two neighbouring logits; of equally good ones, the middle of the
    widest gap, which is where new items are told apart most safely.
    """
    values = np.unique(logits)
    if len(values) == 1:
        return float(values[0])
    places = (values[:-1] + values[1:]) / 2
    fakes, reals = np.sort(logits[labels == 1]), np.sort(logits[labels == 0])
    hits = 1 - np.searchsorted(fakes, places) / len(fakes)
    passed = np.searchsorted(reals, places) / len(reals)
    merit = np.round(hits + passed, 12)
    best = np.flatnonzero(merit == merit.max())
    return float(places[best[np.argmax(np.diff(values)[best])]])


def best_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Where the logits are likeliest (Guo et al. 2017, section 4.2)."""
    signed = np.where(labels == 1, logits, -logits)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def points_table(levels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a level (frame, video): threshold and temperature, in logits."""
    rows = {
        level: choose_point(items["label"].to_numpy(), items["logit"].to_numpy(float))
        for level, items in levels.items()
    }
    table = pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="level"))
    return table.reset_index()


def read_points(path: Path) -> dict[str, OperatingPoint]:
    """What `points_table` said, by level."""
    table = pd.read_csv(path, index_col="level")
    return {
        level: OperatingPoint(row["threshold"], row["temperature"])
        for level, row in table.iterrows()
    }
