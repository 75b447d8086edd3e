"""Explain crops by the engine that the configuration asks for."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from pipeline.attributions.captum_engine import with_captum
from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.integrated_gradients import (
    Accuracy,
    Attribution,
    integrated_gradients,
)
from pipeline.attributions.memory_plan import BatchSize
from pipeline.attributions.rounding import ROUNDING, half_precision
from pipeline.config.attribution import AttributionConfig
from pipeline.models.networks import ForgeryDetector


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
