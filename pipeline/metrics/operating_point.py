"""A detector's operating point: chosen on validation data, used on test data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

# Lowest and highest temperature. Without a mistake on the validation data, a lower
# temperature is always likelier: the search then ends near the lowest one.
TEMPERATURE_RANGE = (0.05, 20.0)


LEVELS = ("frame", "video")  # the items that have an operating point each
VALIDATION, DEFAULT = "val", "default"  # what a point was chosen on


@dataclass(frozen=True)
class OperatingPoint:
    """How logits become decisions and probabilities."""

    threshold: float  # an item is called fake if its logit is at least this
    temperature: float  # logits are divided by this to make probabilities
    chosen_on: str = VALIDATION  # or DEFAULT: it was not chosen on any data


# A probability of 0.5, as the detector gives it.
DEFAULT_POINT = OperatingPoint(threshold=0.0, temperature=1.0, chosen_on=DEFAULT)


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
    """The temperature with the highest likelihood (Guo et al. 2017, section 4.2).

    Real and fake items weigh the same, as in training, however many there are.
    """
    fakes, reals = logits[labels == 1], logits[labels == 0]

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        missed = np.logaddexp(0, -fakes / temperature).mean()
        alarms = np.logaddexp(0, reals / temperature).mean()
        return float(missed + alarms)

    bounds = tuple(np.log(TEMPERATURE_RANGE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def points_table(levels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Operating points as a table: level, threshold, temperature and chosen_on.

    `levels` has a table of items for each of LEVELS, with the columns label and logit.
    """
    return _table(
        {
            level: choose_point(
                items["label"].to_numpy(), items["logit"].to_numpy(float)
            )
            for level, items in levels.items()
        }
    )


def default_table(levels: Sequence[str]) -> pd.DataFrame:
    """DEFAULT_POINT for each level, as a `points_table`."""
    return _table(dict.fromkeys(levels, DEFAULT_POINT))


def _table(points: Mapping[str, OperatingPoint]) -> pd.DataFrame:
    table = pd.DataFrame(list(points.values()), index=pd.Index(points, name="level"))
    return table.reset_index()


def read_points(path: Path) -> dict[str, OperatingPoint]:
    """The operating points by level, from a file that holds a `points_table`."""
    table = pd.read_csv(path, index_col="level")
    return {
        level: OperatingPoint(row.threshold, row.temperature, row.chosen_on)
        for level, row in zip(table.index, table.itertuples(), strict=True)
    }
