"""Integrated Gradients of the fake logit, each image to a stated accuracy.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", section 3:
the attribution of pixel i is (x_i - b_i) times the integral over a in 0..1 of the
gradient of F at b + a (x - b). It adds up to F(x) - F(b) (completeness, section 3).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from captum.attr import IntegratedGradients

from pipeline.command_line import log
from pipeline.integration_path import IntegrationPath, completeness_error
from pipeline.networks import ForgeryDetector

HELD = 2**30  # bytes of maps at nodes that are held at once
LOW_PRECISION_STEPS = 33  # after which a path begins anew in float32


@dataclass(frozen=True)
class Accuracy:
    """When an image is done: at a completeness error of `tolerance`, or `most` steps.

    All begin with `first` even steps, a power of two and one. Steps are gradients.
    """

    tolerance: float = 0.05
    first: int = 9
    most: int = 257


@dataclass(frozen=True)
class Attribution:
    """An image's attribution, in logits."""

    map: np.ndarray  # (H, W) float64, summed over colours: positive speaks for fake
    logit: float  # F(x)
    baseline_logit: float  # F(b)
    steps: int  # gradients computed

    def error(self) -> float:
        """Completeness error: see `completeness_error`."""
        change = self.logit - self.baseline_logit
        return float(completeness_error(self.map.sum(), change))


@dataclass(frozen=True)
class _Node:
    """A point of an image's path at which the gradient is wanted."""

    number: int  # of the image
    path: IntegrationPath
    at: float  # 0..1


def integrated_gradients(
    detector: ForgeryDetector,
    pairs: Iterable[tuple[torch.Tensor, torch.Tensor]],
    accuracy: Accuracy,
    batch_size: int,
    precision: torch.dtype = torch.float32,
) -> Iterator[Attribution]:
    """Attribute the logits of images to their pixels, in the images' order.

    `pairs` are images and their baselines, each (3, H, W) in 0..1 on the detector's
    device. The nodes of all paths in work stand in one queue, which is cut into batches
    of `batch_size`, halved where the GPU's memory does not hold it; further images are
    begun as soon as it would not fill one. So no more paths are in work than fill a
    batch, each with a map for each of its nodes, and none is begun while there are more
    than HELD bytes of these. The detector must be frozen and in eval mode.

    Where a logit or a gradient is not finite, neither is the map.

    In another `precision` than float32 the ends of a path are computed in float32 all
    the same, so that the error is the true one; what does not reach the tolerance in
    LOW_PRECISION_STEPS is done anew in float32.
    """
    desk = _Desk(detector, accuracy, batch_size, precision)
    arriving = enumerate(pairs)
    taken, exhausted = 0, False
    while True:
        while not exhausted and desk.has_room():
            number, pair = next(arriving, (-1, None))
            exhausted = pair is None
            if pair is not None:
                desk.begin(number, IntegrationPath(*pair), precision)
        if not desk.work():
            return
        while taken in desk.done:
            yield desk.done.pop(taken)
            taken += 1


class _Desk:
    """The paths in work, and the nodes that they wait for, by precision."""

    def __init__(
        self,
        detector: ForgeryDetector,
        accuracy: Accuracy,
        batch_size: int,
        precision: torch.dtype,
    ) -> None:
        self.detector, self.accuracy = detector, accuracy
        self.batch_size = batch_size
        kinds = dict.fromkeys((precision, torch.float32))
        self.queues: dict[torch.dtype, deque[_Node]] = {k: deque() for k in kinds}
        self.working: dict[int, tuple[IntegrationPath, torch.dtype]] = {}
        self.wasted: dict[int, int] = {}  # steps in low precision, to no avail
        self.done: dict[int, Attribution] = {}

    def has_room(self) -> bool:
        """Whether another image is to be begun: no queue fills a batch."""
        if max(map(len, self.queues.values())) >= self.batch_size:
            return False
        if not self.working:
            return True
        paths = [path for path, _ in self.working.values()]
        nodes = sum(len(path.maps) + len(path.asked) for path in paths)
        bytes_of_map = paths[0].image[0].numel() * 4
        return (nodes + self.accuracy.first) * bytes_of_map <= HELD

    def begin(self, number: int, path: IntegrationPath, dtype: torch.dtype) -> None:
        """Take an image's path into work."""
        self.working[number] = path, dtype
        self._ask(number, np.linspace(0, 1, self.accuracy.first).tolist())

    def _ask(self, number: int, nodes: list[float]) -> None:
        path, dtype = self.working[number]
        for node in path.ask(nodes):
            where = torch.float32 if node in (0.0, 1.0) else dtype
            self.queues[where].append(_Node(number, path, node))

    def work(self) -> bool:
        """Compute a batch and go on with the paths in it; False if there was none."""
        dtype = max(self.queues, key=lambda kind: len(self.queues[kind]))
        queue = self.queues[dtype]
        batch = [queue.popleft() for _ in range(min(self.batch_size, len(queue)))]
        if not batch:
            return False
        try:
            _compute(self.detector, batch, dtype)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            self.batch_size = len(batch) // 2
            log.info("the memory is full: batches of %d from now on", self.batch_size)
            queue.extendleft(reversed(batch))
            torch.cuda.empty_cache()
            return True
        for number in dict.fromkeys(node.number for node in batch):
            if not self.working[number][0].asked:
                self._go_on(number)
        return True

    def _go_on(self, number: int) -> None:
        """Refine a path whose nodes are all known, or finish it."""
        path, dtype = self.working[number]
        steps, low = len(path.maps), dtype != torch.float32
        most = self.accuracy.most
        if low:
            most = min(most, LOW_PRECISION_STEPS)
        error = path.error()
        further = path.hard_middles(max(0, most - steps)) if np.isfinite(error) else []
        if error <= self.accuracy.tolerance or not (further or low):
            del self.working[number]
            steps += self.wasted.pop(number, 0)
            ends = path.logits[1.0], path.logits[0.0]
            self.done[number] = Attribution(path.map(), *ends, steps)
        elif further:
            self._ask(number, further)
        else:
            self.wasted[number] = steps
            again = IntegrationPath(path.image, path.baseline)
            self.begin(number, again, torch.float32)


def _compute(detector: ForgeryDetector, batch: list[_Node], dtype: torch.dtype) -> None:
    """Answer nodes with what is found there."""
    images = torch.stack([node.path.image for node in batch])
    baselines = torch.stack([node.path.baseline for node in batch])
    at = images.new_tensor([node.at for node in batch])
    logits, maps = gradient_maps(detector, images, baselines, at, dtype)
    found = torch.stack([logits.double(), maps.sum((1, 2), dtype=torch.float64)], 1)
    for node, (logit, slope), map in zip(batch, found.tolist(), maps, strict=True):
        node.path.answer(node.at, logit, slope, map)


def gradient_maps(
    detector: ForgeryDetector,
    images: torch.Tensor,
    baselines: torch.Tensor,
    at: torch.Tensor,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, torch.Tensor]:
    """F at points `at` (N,) in 0..1 of paths from `baselines` to `images` (N, 3, H, W).

    Returns logits (N,), and the gradient times (x - b), summed over colours: (N, H, W).
    """
    change = images - baselines
    points = torch.addcmul(baselines, at.view(-1, 1, 1, 1), change)
    points = points.contiguous(memory_format=torch.channels_last).requires_grad_(True)
    low = dtype != torch.float32
    with torch.autocast(points.device.type, dtype, enabled=low):
        logits = detector(points)
    (gradients,) = torch.autograd.grad(logits.sum(), points)
    return logits.detach(), (gradients * change).sum(1)


def with_captum(
    detector: ForgeryDetector,
    pairs: Iterable[tuple[torch.Tensor, torch.Tensor]],
    steps: int,
    batch_size: int,
) -> Iterator[Attribution]:
    """The same by captum, with as many Gauss-Legendre steps for every image."""
    explainer = IntegratedGradients(detector)
    explain = partial(
        explainer.attribute,
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=batch_size,
    )
    for image, baseline in pairs:
        pixels = explain(image[None], baseline[None])[0]
        with torch.inference_mode():
            ends = detector(torch.stack([image, baseline])).tolist()
        map = pixels.sum(0, dtype=torch.float64).detach().cpu().numpy()
        yield Attribution(map, *ends, steps)
