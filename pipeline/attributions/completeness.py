"""The completeness error of attributions."""

import numpy as np

# Positive and negative attributions can cancel out: from black, the change of the logit
# is often less than a tenth of the L1 norm. Then a share of the change would ask for a
# sum that is far more accurate than the map. So errors are never taken as a share of
# less than this part of the L1 norm.
NORM_SHARE = 0.25


def completeness_error(
    total: np.ndarray | float, change: np.ndarray | float, norm: np.ndarray | float
) -> np.ndarray:
    """|total - change| / max(|change|, NORM_SHARE * norm), at least 0.

    `total` is the sum of the attributions in logits, and `norm` the sum of their
    absolute values (the L1 norm). `change` is F(x) - F(baseline) in logits, which the
    sum should equal (Sundararajan et al. 2017, section 3).
    """
    missing = np.abs(np.subtract(total, change))
    scale = np.maximum(np.abs(change), NORM_SHARE * np.asarray(norm))
    known = missing != 0  # also if it is NaN
    with np.errstate(divide="ignore"):
        return np.divide(missing, scale, out=np.zeros_like(scale), where=known)
