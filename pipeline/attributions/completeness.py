"""How far an attribution misses what it must add up to."""

import numpy as np

# Changes of the logit below this are too small to take a share of.
FLOOR = 0.1


def completeness_error(
    total: np.ndarray | float, change: np.ndarray | float
) -> np.ndarray | float:
    """|total - change| / max(|change|, FLOOR) (Sundararajan et al. 2017, section 3).

    `total` is the sum of the attributions and `change` is F(x) - F(baseline), logits.
    """
    return np.abs(total - change) / np.maximum(np.abs(change), FLOOR)
