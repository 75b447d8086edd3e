"""The completeness error of attributions."""

import numpy as np

MIN_CHANGE = 0.5  # logits: errors are not taken as a share of a smaller change


def completeness_error(
    total: np.ndarray | float, change: np.ndarray | float
) -> np.ndarray | float:
    """|total - change| / max(|change|, MIN_CHANGE), at least 0.

    `total` is the sum of the attributions in logits, and `change` is F(x) - F(baseline)
    in logits, which the sum should equal (Sundararajan et al. 2017, section 3).
    """
    return np.abs(total - change) / np.maximum(np.abs(change), MIN_CHANGE)
