"""Round attribution maps to half precision and keep their sums."""

import numpy as np

from pipeline.attributions.completeness import completeness_error

# The share of the tolerance that rounding may use up. It can need much of it if a map's
# positive and negative values almost cancel out.
ROUNDING_SHARE = 0.1


def to_half_precision(
    heatmap: np.ndarray, change: float, allowed_error: float
) -> np.ndarray:
    """Round a map (S, S) in logits to float16.

    `change` is F(x) - F(baseline) in logits. If plain rounding would cause a
    completeness error above `allowed_error`, some values are rounded in the other
    direction: those that lie nearly half-way. Otherwise rounding could be mistaken for
    an error of the integral.
    """
    half = heatmap.astype(np.float16)
    deficit = heatmap.sum() - half.sum(dtype=np.float64)
    if completeness_error(change + deficit, change) > allowed_error:
        return _round_with_sum(heatmap, half)
    return half


def _round_with_sum(exact: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Move some values of `half` one step, so that their sum is that of `exact`.

    All values stay within one step of `exact`.
    """
    values, rounded = exact.ravel(), half.ravel().copy()
    deficit = values.sum() - rounded.sum(dtype=np.float64)
    moved = np.nextafter(rounded, np.float16(np.copysign(np.inf, deficit)))
    steps = np.abs(moved.astype(np.float64) - rounded)
    # How close each value was to being rounded in that direction, -1/2..1/2. The
    # closest values move first.
    closeness = np.sign(deficit) * (values - rounded) / steps
    order = np.argsort(-closeness, kind="stable")
    count = np.searchsorted(np.cumsum(steps[order]), abs(deficit), side="right")
    rounded[order[:count]] = moved[order[:count]]
    # Among the others, move the value whose step is closest to the rest of the deficit.
    left, rest = abs(deficit) - steps[order[:count]].sum(), order[count:]
    if len(rest):
        last = rest[np.abs(steps[rest] - left).argmin()]
        if abs(steps[last] - left) < left:
            rounded[last] = moved[last]
    return rounded.reshape(half.shape)
