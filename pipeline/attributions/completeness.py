"""The completeness error of attributions."""

import numpy as np

# Positive and negative attributions can cancel out: from black, the change of the logit
# is often less than a tenth of the L1 norm. Then a share of the change would ask for a
# sum that is far more accurate than the map. So errors are never taken as a share of
# less than this part of the L1 norm.
NORM_SHARE = 0.25
MIN_SCALE = 1e-3  # logits: above the rounding of float32


def completeness_error(
    total: np.ndarray | float, change: np.ndarray | float, norm: np.ndarray | float
) -> np.ndarray:
    """|total - change| / max(|change|, NORM_SHARE * norm, MIN_SCALE), at least 0.

    `total` is the sum of the attributions in logits, and `norm` the sum of their
    absolute values (the L1 norm). `change` is F(x) - F(baseline) in logits, which the
    sum should equal (Sundararajan et al. 2017, section 3).
    """
    scale = np.maximum(np.abs(change), NORM_SHARE * np.asarray(norm))
    return np.abs(np.subtract(total, change)) / np.maximum(scale, MIN_SCALE)
