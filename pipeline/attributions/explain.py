"""Explain crops with the engine that the configuration asks for."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.integrated_gradients import (
    Accuracy,
    Attribution,
    Pairs,
    integrated_gradients,
)
from pipeline.attributions.memory_plan import BatchSize
from pipeline.config.attribution import AttributionConfig
from pipeline.models.networks import ForgeryDetector

# The part of the tolerance that is left to the rounding of maps to half precision. It
# changes each value by less than 0.05 %, or 3e-8 logits if this is more.
ROUNDING_SHARE = 0.01


def explain(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: Iterable[np.ndarray],
    *,
    config: AttributionConfig,
    batch_size: BatchSize,
) -> dict[str, np.ndarray]:
    """Explain crops (N, S, S, 3) uint8, N at least 1.

    `baselines` has the baselines of each crop, (D, S, S, 3) float32 in 0..1, as
    `make_baselines` yields them. Returns `maps`, (N, S, S) float16 in logits, the means
    over each crop's baselines; `nested_differences`, (N, S, S) float16 (see
    `Attribution`; NaN with the engine captum); `changes`, (N, S, S) float16, the mean
    over the baselines of |x - baseline|, summed over the colours; and all
    RESULT_COLUMNS except `baseline_video`, (N,) each. `attribution_sum` and
    `completeness_error` are those of the rounded maps.
    """
    device = detector.get_buffer("mean").device
    changes = []

    def pairs() -> Pairs:
        for crop, starts in zip(crops, baselines, strict=True):
            changes.append(np.abs(crop / np.float32(255) - starts).sum(-1).mean(0))
            image = _to_images(crop[None], device)[0] / 255
            yield image, _to_images(starts, device)

    found = _attribute(detector, pairs(), config, batch_size)
    rows = [_row(attribution, config) for attribution in found]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {**columns, "changes": np.array(changes, np.float16)}


def _attribute(
    detector: ForgeryDetector,
    pairs: Pairs,
    config: AttributionConfig,
    batch_size: BatchSize,
) -> Iterator[Attribution]:
    if config.engine == "captum":
        # Imported here because most runs do not use captum.
        from pipeline.attributions.captum_engine import attribute_with_captum

        return attribute_with_captum(
            detector, pairs, steps=config.steps, batch_size=batch_size
        )
    bound = (1 - ROUNDING_SHARE) * config.tolerance
    return integrated_gradients(
        detector,
        pairs,
        Accuracy(bound, config.map_tolerance, config.first_steps, config.max_steps),
        batch_size=batch_size,
    )


def _to_images(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """(N, 3, H, W) float32 on `device` from (N, H, W, 3)."""
    return torch.tensor(pixels, device=device).permute(0, 3, 1, 2).float()


def _row(found: Attribution, config: AttributionConfig) -> dict[str, Any]:
    """A crop's map as it is stored, and its columns."""
    change = found.logit - found.baseline_logit
    heatmap = found.heatmap.astype(np.float16)
    total, norm = (part.sum(dtype=np.float64) for part in (heatmap, np.abs(heatmap)))
    sum_error = float(completeness_error(total, change, norm))
    difference = found.nested_difference
    if difference is None:
        difference = np.full_like(found.heatmap, np.nan)
    return {
        "maps": heatmap,
        "nested_differences": difference.astype(np.float16),
        "logit": found.logit,
        "baseline_logit": found.baseline_logit,
        "attribution_sum": total,
        "completeness_error": sum_error,
        "interval_error": found.interval_error,
        "map_error": found.errors.squares,
        "pixel_error": found.errors.pixels,
        "draw_error": found.errors.draws,
        "converged": sum_error <= config.tolerance
        and not found.errors.squares > config.map_tolerance,
        "steps": found.steps,
    }
