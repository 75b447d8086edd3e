"""Integrated Gradients by captum, with a fixed number of steps."""

from collections.abc import Iterator
from itertools import chain, groupby, islice
from operator import itemgetter

import numpy as np
import torch
from captum.attr import IntegratedGradients

from pipeline.attributions.integrated_gradients import Attribution, Pairs, if_it_fits
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector


def with_captum(
    detector: ForgeryDetector,
    pairs: Pairs,
    steps: int,
    batch_size: BatchSize,
) -> Iterator[Attribution]:
    """The same by captum, with as many Gauss-Legendre steps on every path.

    As many paths are handed to it at once as fill a batch with their steps.
    """
    paths = (
        (number, image, baseline)
        for number, (image, baselines) in enumerate(pairs)
        for baseline in baselines
    )
    found = _paths_by_captum(detector, paths, steps, batch_size)
    for _, group in groupby(found, key=itemgetter(0)):
        own = [one for _, one in group]
        map = np.mean([one.map for one in own], axis=0)
        start = float(np.mean([one.baseline_logit for one in own]))
        yield Attribution(map, own[0].logit, start, steps * len(own))


# The number of an image, the image and one of its baselines, each (3, H, W).
SinglePath = tuple[int, torch.Tensor, torch.Tensor]


def _paths_by_captum(
    detector: ForgeryDetector,
    paths: Iterator[SinglePath],
    steps: int,
    batch_size: BatchSize,
) -> Iterator[tuple[int, Attribution]]:
    """Each path's, in their order, with its image's number."""
    explainer = IntegratedGradients(detector)

    def attribute(group: list[SinglePath], size: int) -> list[tuple[int, Attribution]]:
        numbers, *ends = zip(*group, strict=True)
        images, baselines = map(torch.stack, ends)
        pixels = explainer.attribute(
            images,
            baselines,
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=size,
        )
        with torch.inference_mode():
            logits = [detector(points).tolist() for points in (images, baselines)]
        maps = pixels.sum(1, dtype=torch.float64).detach().cpu().numpy()
        found = [Attribution(*one, steps) for one in zip(maps, *logits, strict=True)]
        return list(zip(numbers, found, strict=True))

    while group := list(islice(paths, max(1, batch_size.images // steps))):
        size = batch_size.images
        found = if_it_fits(size, attribute, group, size)
        if found is None:
            batch_size.halve(size)
            paths = chain(group, paths)
        else:
            yield from found
