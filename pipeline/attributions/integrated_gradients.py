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
from pipeline.attributions.integration_path import (
    ImagePaths,
    IntegrationPath,
    MapErrors,
)
from pipeline.attributions.memory_plan import BatchSize
from pipeline.models.networks import ForgeryDetector
from pipeline.statistics.pooling import square_weights

Result = TypeVar("Result")

MAX_HELD_BYTES = 2**30  # of images, baselines and heatmaps of nodes in memory at once
MIN_NODES = 4  # of a path: with fewer, the estimated error is too uncertain

# Images with their baselines: (3, H, W) and (D, 3, H, W), in 0..1.
Pairs = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Accuracy:
    """When the attribution of an image is finished. A step is one gradient.

    Attributes:
        tolerance: the largest completeness error.
        map_tolerance: the largest error of the map on squares, a share of its L1 norm.
        first_steps: the evenly spaced steps that every image starts with. Several paths
            of an image share them, at least MIN_NODES on each.
        max_steps: the steps of each path after which an image is given up.
    """

    tolerance: float = 0.05
    map_tolerance: float = 0.1
    first_steps: int = 9
    max_steps: int = 257

    def first_nodes(self, paths: int) -> list[float]:
        """The nodes that each of an image's paths starts with, inside 0..1."""
        count = max(MIN_NODES, -(-self.first_steps // paths))
        return ((np.arange(count) + 0.5) / count).tolist()

    def further_nodes(self, image: ImagePaths) -> list[float]:
        """The nodes that an image still needs; none if it is finished or given up."""
        remaining = self.max_steps - len(image.nodes())
        estimate = image.estimate()
        map_error, sum_error = estimate.map_error(), image.sum_error(estimate.norm)
        if remaining <= 0 or np.isnan(map_error) or not np.isfinite(sum_error):
            return []
        if map_error > self.map_tolerance:
            return estimate.nodes_for(self.map_tolerance, remaining)
        if sum_error > self.tolerance:
            return image.nodes_for_sum(remaining)
        return []


UNKNOWN_ERRORS = MapErrors(squares=np.nan, pixels=np.nan, draws=np.nan)


@dataclass(frozen=True)
class Attribution:
    """The attribution of one image, in logits: the mean over its baselines.

    Attributes:
        heatmap: (H, W) float64, summed over colours; positive values speak for fake.
        logit: F(x).
        baseline_logit: F(b), the mean over the baselines.
        steps: how many gradients were computed.
        errors: the stated errors of the heatmap, NaN if they are not known.
        interval_error: see `ImagePaths.interval_error`; NaN if it is not known.
        nested_difference: (H, W) float64: the heatmap minus that of every second node;
            None if it is not known.
    """

    heatmap: np.ndarray
    logit: float
    baseline_logit: float
    steps: int
    errors: MapErrors = UNKNOWN_ERRORS
    interval_error: float = np.nan
    nested_difference: np.ndarray | None = None

    def sum_error(self) -> float:
        """Completeness error: see `completeness_error`."""
        change, norm = self.logit - self.baseline_logit, np.abs(self.heatmap).sum()
        return float(completeness_error(self.heatmap.sum(), change, norm))


@dataclass(frozen=True)
class _Request:
    """A node whose gradient is wanted, or an end of paths whose logit is wanted."""

    image_number: int
    paths: list[IntegrationPath]
    position: float  # 0..1 on the paths


def integrated_gradients(
    detector: ForgeryDetector,
    pairs: Pairs,
    accuracy: Accuracy,
    *,
    batch_size: BatchSize,
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
    """
    scheduler = GradientScheduler(detector, accuracy, batch_size)
    waiting = enumerate(pairs)
    next_number, exhausted = 0, False
    while True:
        while not exhausted and scheduler.accepts_more():
            item = next(waiting, None)
            if item is None:
                exhausted = True
            else:
                number, (image, baselines) = item
                scheduler.submit(number, ImagePaths(image, baselines))
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
        self, detector: ForgeryDetector, accuracy: Accuracy, batch_size: BatchSize
    ) -> None:
        self.detector, self.accuracy = detector, accuracy
        self.batch_size = batch_size
        self.nodes: deque[_Request] = deque()
        self.ends: deque[_Request] = deque()
        self.unfinished: dict[int, ImagePaths] = {}
        self.finished: dict[int, Attribution] = {}

    def accepts_more(self) -> bool:
        """Whether another image should be submitted: the nodes do not fill a batch."""
        if len(self.nodes) >= self.batch_size.images:
            return False
        held = sum(_held_bytes(image) for image in self.unfinished.values())
        return not self.unfinished or held <= MAX_HELD_BYTES

    def submit(self, number: int, image: ImagePaths) -> None:
        """Start on an image. Its paths share their end at the image."""
        self.unfinished[number] = image
        nodes = self.accuracy.first_nodes(len(image.paths))
        for path in image.paths:
            self._enqueue(self.ends, number, [path], 0.0)
            for node in nodes:
                self._enqueue(self.nodes, number, [path], node)
        self._enqueue(self.ends, number, image.paths, 1.0)

    def _enqueue(
        self,
        queue: deque[_Request],
        number: int,
        paths: list[IntegrationPath],
        position: float,
    ) -> None:
        for path in paths:
            path.request(position)
        queue.append(_Request(number, paths, position))

    def run_batch(self) -> bool:
        """Compute the logits of ends that wait, then one batch of gradients, and refine
        or finish its images; False if nothing waits."""
        done: list[_Request] = []
        for queue, compute in (
            (self.ends, _receive_ends),
            (self.nodes, _receive_gradients),
        ):
            done += self._run(queue, compute)
        for number in dict.fromkeys(request.image_number for request in done):
            if not self.unfinished[number].is_waiting():
                self._refine_or_finish(number)
        return bool(done or self.nodes or self.ends)

    def _run(
        self,
        queue: deque[_Request],
        compute: Callable[[ForgeryDetector, list[_Request]], bool],
    ) -> list[_Request]:
        """Compute the first requests of a queue, and return them; none if they do not
        fit into memory."""
        size = min(self.batch_size.images, len(queue))
        batch = [queue.popleft() for _ in range(size)]
        if batch and none_if_out_of_memory(size, compute, self.detector, batch) is None:
            self.batch_size.halve(size)
            queue.extendleft(reversed(batch))
            return []
        return batch

    def _refine_or_finish(self, number: int) -> None:
        """Request further nodes of an image whose requested values are all known, or
        finish it."""
        image = self.unfinished[number]
        for node in self.accuracy.further_nodes(image):
            for path in image.paths:
                self._enqueue(self.nodes, number, [path], node)
        if not image.is_waiting():
            del self.unfinished[number]
            self.finished[number] = _attribution(image)


def _attribution(image: ImagePaths) -> Attribution:
    """The attribution of an image from its known nodes."""
    logit, baseline_logit = image.end_logits()
    heatmap = image.heatmap()
    return Attribution(
        heatmap=heatmap,
        logit=logit,
        baseline_logit=baseline_logit,
        steps=image.steps(),
        errors=image.errors(heatmap),
        interval_error=image.interval_error(float(np.abs(heatmap).sum())),
        nested_difference=heatmap - image.heatmap(every=2),
    )


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


def _receive_ends(detector: ForgeryDetector, batch: list[_Request]) -> bool:
    """Compute and store the logits of ends of paths."""
    points = [
        request.paths[0].image if request.position else request.paths[0].baseline
        for request in batch
    ]
    images = torch.stack(points).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        logits = detector(images).tolist()
    for request, logit in zip(batch, logits, strict=True):
        for path in request.paths:
            path.receive_end(request.position, logit)
    return True


def _receive_gradients(detector: ForgeryDetector, batch: list[_Request]) -> bool:
    """Compute and store what is wanted at nodes of paths."""
    paths = [request.paths[0] for request in batch]
    images = torch.stack([path.image for path in paths])
    baselines = torch.stack([path.baseline for path in paths])
    positions = images.new_tensor([request.position for request in batch])
    points = torch.lerp(baselines, images, positions.view(-1, 1, 1, 1))
    logits, gradients = gradients_at(detector, points)
    heatmaps = (gradients * (images - baselines)).sum(1)  # (paths, H, W)
    slopes = heatmaps.sum((1, 2), dtype=torch.float64)
    found = torch.stack([logits.double(), slopes], 1).tolist()
    squares = _square_sums(heatmaps).flatten(1).double().cpu().numpy()
    for request, (logit, slope), heatmap, own in zip(
        batch, found, heatmaps, squares, strict=True
    ):
        # Clones, because a view would keep the batch's heatmaps as long as one path
        # needs its own.
        request.paths[0].receive(request.position, logit, slope, heatmap.clone(), own)
    return True


def _square_sums(heatmaps: torch.Tensor) -> torch.Tensor:
    """Heatmaps (N, S, S) summed over squares, (N, side, side): see `pool_maps`."""
    weights = torch.as_tensor(square_weights(heatmaps.shape[-1])).to(heatmaps)
    return weights @ heatmaps @ weights.T


def gradients_at(
    detector: ForgeryDetector, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """F at `points` (N, 3, H, W) in 0..1, (N,), and its gradients, (N, 3, H, W)."""
    points = points.contiguous(memory_format=torch.channels_last).requires_grad_(True)
    logits = detector(points)
    (gradients,) = torch.autograd.grad(logits.sum(), points)
    return logits.detach(), gradients
