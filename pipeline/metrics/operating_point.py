"""A detector's operating point: chosen on validation data, used on test data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

# Lowest and highest temperature. Without a mistake on the validation data, a lower
# temperature is always likelier: the search then ends near the lowest one.
TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class OperatingPoint:
    """How logits become decisions and probabilities."""

    threshold: float  # an item is called fake if its logit is at least this
    temperature: float  # logits are divided by this to make probabilities


def choose_point(labels: np.ndarray, logits: np.ndarray) -> OperatingPoint:
    """The operating point for labels (N,) and logits (N,) of validation data.

    Labels are 0 real or 1 fake. Both must occur.
    """
    return OperatingPoint(
        threshold=best_threshold(labels, logits),
        temperature=best_temperature(labels, logits),
    )


def best_threshold(labels: np.ndarray, logits: np.ndarray) -> float:
    """The threshold, in logits, with the highest balanced accuracy.

    It is half-way between two neighbouring logits. If several thresholds are equally
    good, it is the one in the widest gap, which has the largest margin for new items.
    If all logits are equal, it is their value.
    """
    values = np.unique(logits)
    if len(values) == 1:
        return float(values[0])
    candidates = (values[:-1] + values[1:]) / 2
    fakes, reals = np.sort(logits[labels == 1]), np.sort(logits[labels == 0])
    sensitivity = 1 - np.searchsorted(fakes, candidates) / len(fakes)
    specificity = np.searchsorted(reals, candidates) / len(reals)
    merit = np.round(sensitivity + specificity, 12)
    best = np.flatnonzero(merit == merit.max())
    return float(candidates[best[np.argmax(np.diff(values)[best])]])


def best_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """The temperature with the highest likelihood (Guo et al. 2017, section 4.2)."""
    signed = np.where(labels == 1, logits, -logits)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def points_table(levels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Operating points as a table: level (frame, video), threshold and temperature.

    `levels` has a table of items for each level, with the columns label and logit.
    """
    rows = {
        level: choose_point(items["label"].to_numpy(), items["logit"].to_numpy(float))
        for level, items in levels.items()
    }
    table = pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="level"))
    return table.reset_index()


def read_points(path: Path) -> dict[str, OperatingPoint]:
    """The operating points by level, from a file that holds a `points_table`."""
    table = pd.read_csv(path, index_col="level")
    return {
        level: OperatingPoint(row["threshold"], row["temperature"])
        for level, row in table.iterrows()
    }
