"""Explain crops by the engine that the configuration asks for."""

from collections.abc import Iterator

import numpy as np
import torch

from pipeline.config.attribution import AttributionConfig
from pipeline.integrated_gradients import (
    Accuracy,
    Attribution,
    integrated_gradients,
    with_captum,
)
from pipeline.integration_path import completeness_error
from pipeline.networks import ForgeryDetector

ROUNDING = 0.005  # completeness error that rounding to half precision may bring


def explain(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: np.ndarray,
    config: AttributionConfig,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """The maps of crops (N, S, S, 3) uint8 from baselines (D, N, S, S, 3) in 0..1.

    Returns maps (N, S, S) float16, the means over the D baselines, and the columns
    logit, baseline_logit, attribution_sum, completeness_error, converged and steps,
    (N,) each. Errors are those of the maps as they are returned.
    """
    draws = len(baselines)
    found = list(_found(detector, crops, baselines, config, batch_size))
    groups = [found[i : i + draws] for i in range(0, len(found), draws)]
    means = np.stack([np.mean([a.map for a in group], axis=0) for group in groups])
    logits = np.array([group[0].logit for group in groups])
    baseline = np.array([np.mean([a.baseline_logit for a in g]) for g in groups])
    maps = half_precision(means, logits - baseline)
    sums = maps.sum((1, 2), dtype=np.float64)
    error = np.asarray(completeness_error(sums, logits - baseline))
    return {
        "maps": maps,
        "logit": logits,
        "baseline_logit": baseline,
        "attribution_sum": sums,
        "completeness_error": error,
        "converged": error <= config.tolerance,
        "steps": np.array([sum(a.steps for a in group) for group in groups]),
    }


def _found(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: np.ndarray,
    config: AttributionConfig,
    batch_size: int,
) -> Iterator[Attribution]:
    """Crop by crop, the attribution from each of its baselines."""
    device = next(detector.parameters()).device
    pairs = (
        (_image(crop, device) / 255, _image(baseline, device))
        for number, crop in enumerate(crops)
        for baseline in baselines[:, number]
    )
    if config.engine == "captum":
        return with_captum(detector, pairs, config.steps, batch_size)
    # Below the tolerance, for what is lost in half precision where much cancels out.
    accuracy = Accuracy(0.9 * config.tolerance, config.first_steps, config.max_steps)
    precision = getattr(torch, config.precision)
    return integrated_gradients(detector, pairs, accuracy, batch_size, precision)


def _image(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """(3, H, W) float32 on `device`, of (H, W, 3)."""
    return torch.tensor(pixels, device=device).permute(2, 0, 1).float()


def half_precision(maps: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Maps (N, S, S) as float16 that add up as they did.

    Where much cancels out, what rounding does to the sum can pass for an error of the
    integral: there, values that were nearly rounded the other way are.
    """
    half = maps.astype(np.float16)
    lost = maps.sum((1, 2)) - half.sum((1, 2), dtype=np.float64)
    errors = completeness_error(changes + lost, changes)
    for number in np.flatnonzero(errors > ROUNDING):
        half[number] = _with_sum_kept(maps[number], half[number])
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
    return rounded.reshape(half.shape)
