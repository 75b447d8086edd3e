"""Integrated Gradients of the logit for fake, with a stated accuracy for each image.

The attribution of pixel i is (x_i - b_i) times the integral, over a in 0..1, of the
gradient of F at b + a (x - b). The attributions add up to F(x) - F(b): completeness
(Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", section 3).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from pipeline.attributions.completeness import completeness_error
from pipeline.attributions.integration_path import ImagePaths, IntegrationPath
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector

Result = TypeVar("Result")

MAX_HELD_BYTES = 2**30  # of images, baselines and heatmaps of nodes in memory at once
MAX_LOW_PRECISION_STEPS = 33  # a path that needs more starts again in float32

# Images with their baselines: (3, H, W) and (D, 3, H, W), in 0..1.
Pairs = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Accuracy:
    """When the attribution of an image is finished. A step is one gradient.

    Attributes:
        tolerance: the completeness error at which an image is finished.
        first_steps: a power of two plus one: the evenly spaced steps that every image
            starts with. Several paths of an image share them, at least three on each,
            because other baselines add more information than other points of a path.
        max_steps: the steps after which an image is given up, for each of its paths.
    """

    tolerance: float = 0.05
    first_steps: int = 9
    max_steps: int = 257

    def first_nodes(self, paths: int) -> list[float]:
        """The nodes that each of an image's paths starts with: from 0 to 1."""
        intervals = self.first_steps - 1
        while intervals > 2 and paths * intervals // 2 + 1 >= self.first_steps:
            intervals //= 2
        return np.linspace(0, 1, intervals + 1).tolist()


@dataclass(frozen=True)
class Attribution:
    """The attribution of one image, in logits: the mean over its baselines.

    Attributes:
        heatmap: (H, W) float64, summed over colours; positive values speak for fake.
        logit: F(x).
        baseline_logit: F(b), the mean over the baselines.
        steps: how many gradients were computed.
    """

    heatmap: np.ndarray
    logit: float
    baseline_logit: float
    steps: int

    def error(self) -> float:
        """Completeness error: see `completeness_error`."""
        change = self.logit - self.baseline_logit
        return float(completeness_error(self.heatmap.sum(), change))


@dataclass(frozen=True)
class _Node:
    """A point whose gradient is wanted: on one path, or the common end of several."""

    image_number: int
    paths: list[IntegrationPath]
    position: float  # 0..1 on the paths


def integrated_gradients(
    detector: ForgeryDetector,
    pairs: Pairs,
    accuracy: Accuracy,
    *,
    batch_size: BatchSize,
    precision: torch.dtype = torch.float32,
) -> Iterator[Attribution]:
    """Attribute the logits of images to their pixels, in the images' order.

    `pairs` are on the detector's device. The detector must be frozen and in eval mode.

    The nodes of all unfinished paths wait in one queue and are computed in batches of
    `batch_size`, which is halved for good if a batch does not fit into memory. Another
    image is started as soon as the queue does not fill a batch. So the unfinished
    images never need more than a batch, and no image is started while they hold more
    than MAX_HELD_BYTES.

    If a gradient is not finite, the heatmap is not finite either. Logits that are not
    finite are returned as they are.

    If `precision` is not float32, the ends of a path are still computed in float32, so
    that the error is the true one. An image that does not reach the tolerance within
    MAX_LOW_PRECISION_STEPS for each path is computed again in float32.
    """
    scheduler = GradientScheduler(detector, accuracy, batch_size, precision)
    waiting = enumerate(pairs)
    next_number, exhausted = 0, False
    while True:
        while not exhausted and scheduler.accepts_more():
            item = next(waiting, None)
            if item is None:
                exhausted = True
            else:
                number, (image, baselines) = item
                scheduler.submit(number, ImagePaths(image, baselines), precision)
        if not scheduler.run_batch():
            return
        while next_number in scheduler.finished:
            yield scheduler.finished.pop(next_number)
            next_number += 1


class GradientScheduler:
    """Collects the gradients that unfinished images need, and computes them in batches.

    Attribute `finished`: the attributions of finished images, by the images' numbers.
    """

    def __init__(
        self,
        detector: ForgeryDetector,
        accuracy: Accuracy,
        batch_size: BatchSize,
        precision: torch.dtype,
    ) -> None:
        self.detector, self.accuracy = detector, accuracy
        self.batch_size = batch_size
        kinds = dict.fromkeys((precision, torch.float32))
        self.queues: dict[torch.dtype, deque[_Node]] = {k: deque() for k in kinds}
        self.unfinished: dict[int, tuple[ImagePaths, torch.dtype]] = {}
        self.discarded_steps: dict[int, int] = {}  # in low precision, before a restart
        self.finished: dict[int, Attribution] = {}

    def accepts_more(self) -> bool:
        """Whether another image should be submitted: no queue fills a batch."""
        if max(map(len, self.queues.values())) >= self.batch_size.images:
            return False
        held = sum(_held_bytes(image) for image, _ in self.unfinished.values())
        return not self.unfinished or held <= MAX_HELD_BYTES

    def submit(self, number: int, image: ImagePaths, dtype: torch.dtype) -> None:
        """Start on an image. Its paths share one gradient at their common end."""
        self.unfinished[number] = image, dtype
        *nodes, end = self.accuracy.first_nodes(len(image.paths))
        for path in image.paths:
            for node in nodes:
                self._enqueue(number, [path], node)
        self._enqueue(number, image.paths, end)

    def _enqueue(
        self, number: int, paths: list[IntegrationPath], position: float
    ) -> None:
        _, dtype = self.unfinished[number]
        for path in paths:
            path.request(position)
        queue = self.queues[torch.float32 if position in (0.0, 1.0) else dtype]
        queue.append(_Node(number, paths, position))

    def run_batch(self) -> bool:
        """Compute one batch, then refine or finish its images; False if none waits."""
        dtype = max(self.queues, key=lambda kind: len(self.queues[kind]))
        queue = self.queues[dtype]
        size = min(self.batch_size.images, len(queue))
        batch = [queue.popleft() for _ in range(size)]
        if not batch:
            return False
        answers = none_if_out_of_memory(
            size, _gradients_of_nodes, self.detector, batch, dtype
        )
        if answers is None:
            self.batch_size.halve(size)
            queue.extendleft(reversed(batch))
            return True
        requests = [(path, node.position) for node in batch for path in node.paths]
        for (path, position), answer in zip(requests, answers, strict=True):
            path.receive(position, *answer)
        for number in dict.fromkeys(node.image_number for node in batch):
            if not self.unfinished[number][0].is_waiting():
                self._refine_or_finish(number)
        return True

    def _refine_or_finish(self, number: int) -> None:
        """Halve intervals of an image whose requested nodes are all known, or finish it
        or, if its low precision was not enough, restart it in float32."""
        image, dtype = self.unfinished[number]
        steps, is_low = image.steps(), dtype != torch.float32
        max_steps = self.accuracy.max_steps
        if is_low:
            max_steps = min(max_steps, MAX_LOW_PRECISION_STEPS)
        remaining = max(0, max_steps * len(image.paths) - steps)
        error = image.error()
        midpoints = (
            image.largest_error_midpoints(remaining) if np.isfinite(error) else []
        )
        if error <= self.accuracy.tolerance or not (midpoints or is_low):
            del self.unfinished[number]
            steps += self.discarded_steps.pop(number, 0)
            logit, baseline_logit = image.end_logits()
            self.finished[number] = Attribution(
                image.heatmap(), logit, baseline_logit, steps
            )
        elif midpoints:
            for path, midpoint in midpoints:
                self._enqueue(number, [path], midpoint)
        else:
            self.discarded_steps[number] = steps
            restarted = ImagePaths(image.image, image.baselines)
            self.submit(number, restarted, torch.float32)


def _held_bytes(image: ImagePaths) -> int:
    """Bytes of an image, its baselines, and its heatmaps, known and requested."""
    channels, height, width = image.image.shape
    planes = channels * (1 + len(image.paths))
    planes += sum(len(path.heatmaps) + len(path.requested) for path in image.paths)
    return planes * height * width * image.image.element_size()


def none_if_out_of_memory(
    images: int, compute: Callable[..., Result], *arguments: object
) -> Result | None:
    """The result of `compute(*arguments)`; None if `images` do not fit into memory.

    Raises torch.OutOfMemoryError if not even one image fits. After a failure nothing
    refers to what had been computed, so the memory can be freed.
    """
    try:
        return compute(*arguments)
    except torch.OutOfMemoryError:
        if images == 1:
            raise
        return None


def _gradients_of_nodes(
    detector: ForgeryDetector, batch: list[_Node], dtype: torch.dtype
) -> list[tuple[float, float, torch.Tensor]]:
    """The arguments of `IntegrationPath.receive` for each path of each node."""
    paths = [path for node in batch for path in node.paths]
    owners = [place for place, node in enumerate(batch) for _ in node.paths]
    images = torch.stack([path.image for path in paths])
    baselines = torch.stack([path.baseline for path in paths])
    positions = images.new_tensor([batch[place].position for place in owners])
    # At position 1, lerp returns the image to the bit.
    points = torch.lerp(baselines, images, positions.view(-1, 1, 1, 1))
    _, first = np.unique(owners, return_index=True)  # one gradient for each node
    logits, gradients = gradients_at(detector, points[first], dtype)
    heatmaps = (gradients[owners] * (images - baselines)).sum(1)  # (paths, H, W)
    slopes = heatmaps.sum((1, 2), dtype=torch.float64)
    found = torch.stack([logits.double()[owners], slopes], 1).tolist()
    # Clones, because a view would keep the batch's heatmaps as long as one path needs
    # its own.
    pairs = zip(found, heatmaps, strict=True)
    return [(logit, slope, heatmap.clone()) for (logit, slope), heatmap in pairs]


def gradients_at(
    detector: ForgeryDetector,
    points: torch.Tensor,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, torch.Tensor]:
    """F at `points` (N, 3, H, W) in 0..1, (N,), and its gradients, (N, 3, H, W)."""
    points = points.contiguous(memory_format=torch.channels_last).requires_grad_(True)
    is_low = dtype != torch.float32
    with torch.autocast(points.device.type, dtype, enabled=is_low):
        logits = detector(points)
    (gradients,) = torch.autograd.grad(logits.sum(), points)
    return logits.detach(), gradients
