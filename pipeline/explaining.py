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
    maps = means.astype(np.float16)
    logits = np.array([group[0].logit for group in groups])
    baseline = np.array([np.mean([a.baseline_logit for a in g]) for g in groups])
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
