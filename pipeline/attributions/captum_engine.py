"""Integrated Gradients by captum, with a fixed number of steps."""

from collections.abc import Iterator
from itertools import chain, groupby, islice
from operator import itemgetter

import numpy as np
import torch
from captum.attr import IntegratedGradients

from pipeline.attributions.integrated_gradients import (
    Attribution,
    Pairs,
    none_if_out_of_memory,
)
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector


def attribute_with_captum(
    detector: ForgeryDetector,
    pairs: Pairs,
    *,
    steps: int,
    batch_size: BatchSize,
) -> Iterator[Attribution]:
    """Attribute the logits of images to their pixels, in the images' order.

    Every path gets `steps` steps of Gauss-Legendre quadrature, whatever its error.
    captum gets as many paths at once as fill a batch with their steps.
    """
    paths = (
        (number, image, baseline)
        for number, (image, baselines) in enumerate(pairs)
        for baseline in baselines
    )
    found = _attribute_paths(detector, paths, steps, batch_size)
    for _, group in groupby(found, key=itemgetter(0)):
        parts = [part for _, part in group]
        heatmap = np.mean([part.heatmap for part in parts], axis=0)
        baseline_logit = float(np.mean([part.baseline_logit for part in parts]))
        yield Attribution(heatmap, parts[0].logit, baseline_logit, steps * len(parts))


# The number of an image, the image and one of its baselines, each (3, H, W).
SinglePath = tuple[int, torch.Tensor, torch.Tensor]


def _attribute_paths(
    detector: ForgeryDetector,
    paths: Iterator[SinglePath],
    steps: int,
    batch_size: BatchSize,
) -> Iterator[tuple[int, Attribution]]:
    """The number of each path's image and the path's attribution, in order."""
    explainer = IntegratedGradients(detector)

    def attribute(group: list[SinglePath], size: int) -> list[tuple[int, Attribution]]:
        numbers = [number for number, _, _ in group]
        images = torch.stack([image for _, image, _ in group])
        baselines = torch.stack([baseline for _, _, baseline in group])
        pixels = explainer.attribute(
            images,
            baselines,
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=size,
        )
        with torch.inference_mode():
            logits = detector(images).tolist()
            baseline_logits = detector(baselines).tolist()
        heatmaps = pixels.sum(1, dtype=torch.float64).detach().cpu().numpy()
        return [
            (number, Attribution(heatmap, logit, baseline_logit, steps))
            for number, heatmap, logit, baseline_logit in zip(
                numbers, heatmaps, logits, baseline_logits, strict=True
            )
        ]

    while group := list(islice(paths, max(1, batch_size.images // steps))):
        size = batch_size.images
        found = none_if_out_of_memory(size, attribute, group, size)
        if found is None:
            batch_size.halve(size)
            paths = chain(group, paths)
        else:
            yield from found
