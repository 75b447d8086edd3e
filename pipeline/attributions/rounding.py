"""Round attribution maps to half precision and keep their sums."""

import numpy as np

from pipeline.attributions.completeness import completeness_error

# The part of the tolerance that is left to rounding to half precision, which can take
# much where a map cancels out.
ROUNDING = 0.1


def half_precision(map: np.ndarray, change: float, allowed: float) -> np.ndarray:
    """A map (S, S) as float16, with little more error by it than `allowed`.

    Where much cancels out, what rounding does to the sum can pass for an error of the
    integral: there, values that were nearly rounded the other way are. `change` is
    F(x) - F(baseline).
    """
    half = map.astype(np.float16)
    lost = map.sum() - half.sum(dtype=np.float64)
    if completeness_error(change + lost, change) > allowed:
        return _with_sum_kept(map, half)
    return half


def _with_sum_kept(exact: np.ndarray, half: np.ndarray) -> np.ndarray:
    """`half` with some values one step up or down: all within a step of `exact`."""
    values, rounded = exact.ravel(), half.ravel().copy()
    lost = values.sum() - rounded.sum(dtype=np.float64)
    moved = np.nextafter(rounded, np.float16(np.copysign(np.inf, lost)))
    steps = np.abs(moved.astype(np.float64) - rounded)
    # How near each was to being rounded that way, -1/2..1/2: the nearest move first.
    nearness = np.sign(lost) * (values - rounded) / steps
    order = np.argsort(-nearness, kind="stable")
    count = np.searchsorted(np.cumsum(steps[order]), abs(lost), side="right")
    rounded[order[:count]] = moved[order[:count]]
    # Of the others, the one whose step is most like what is left.
    left, rest = abs(lost) - steps[order[:count]].sum(), order[count:]
    if len(rest):
        last = rest[np.abs(steps[rest] - left).argmin()]
        if abs(steps[last] - left) < left:
            rounded[last] = moved[last]
    return rounded.reshape(half.shape)
