"""Explain crops by the engine that the configuration asks for."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from pipeline.completeness import completeness_error
from pipeline.config.attribution import AttributionConfig
from pipeline.integrated_gradients import (
    Accuracy,
    Attribution,
    integrated_gradients,
    with_captum,
)
from pipeline.memory_plan import BatchSize
from pipeline.networks import ForgeryDetector

# The part of the tolerance that is left to rounding to half precision, which can take
# much where a map cancels out.
ROUNDING = 0.1


def explain(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: Iterable[np.ndarray],
    config: AttributionConfig,
    batch_size: BatchSize,
) -> dict[str, np.ndarray]:
    """The maps of crops (N, S, S, 3) uint8, from what `make_baselines` gives of each.

    Returns maps (N, S, S) float16, the means over each crop's baselines, and the
    columns logit, baseline_logit, attribution_sum, completeness_error, converged and
    steps, (N,) each. Errors are those of the maps as they are returned.
    """
    device = detector.mean.device
    pairs = (
        (_images(crop[None], device)[0] / 255, _images(starts, device))
        for crop, starts in zip(crops, baselines, strict=True)
    )
    if config.engine == "captum":
        found = with_captum(detector, pairs, config.steps, batch_size)
    else:
        bound = (1 - ROUNDING) * config.tolerance
        accuracy = Accuracy(bound, config.first_steps, config.max_steps)
        precision = getattr(torch, config.precision)
        found = integrated_gradients(detector, pairs, accuracy, batch_size, precision)
    rows = [_row(one, config.tolerance) for one in found]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _images(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """(N, 3, H, W) float32 on `device`, of (N, H, W, 3)."""
    return torch.tensor(pixels, device=device).permute(0, 3, 1, 2).float()


def _row(found: Attribution, tolerance: float) -> dict[str, Any]:
    """A crop's map as it is stored, and the columns."""
    change = found.logit - found.baseline_logit
    map = half_precision(found.map, change, ROUNDING * tolerance)
    total = map.sum(dtype=np.float64)
    error = float(completeness_error(total, change))
    return {
        "maps": map,
        "logit": found.logit,
        "baseline_logit": found.baseline_logit,
        "attribution_sum": total,
        "completeness_error": error,
        "converged": error <= tolerance,
        "steps": found.steps,
    }


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
