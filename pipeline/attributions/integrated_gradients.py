"""Integrated Gradients of the fake logit, each image to a stated accuracy.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", section 3:
the attribution of pixel i is (x_i - b_i) times the integral over a in 0..1 of the
gradient of F at b + a (x - b). It adds up to F(x) - F(b) (completeness, section 3).
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

Found = TypeVar("Found")

HELD = 2**30  # bytes of images, baselines and maps at nodes that are held at once
LOW_PRECISION_STEPS = 33  # after which a path begins anew in float32

# Images with their baselines: (3, H, W) and (D, 3, H, W), in 0..1.
Pairs = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Accuracy:
    """When an image is done: at a completeness error of `tolerance`, or `most` steps.

    Steps are gradients. All begin with `first` even ones, a power of two and one; if
    there are several paths, with as few on each as make `first` in all, and three at
    least: other baselines tell more than other points. `most` is times the paths.
    """

    tolerance: float = 0.05
    first: int = 9
    most: int = 257

    def first_nodes(self, paths: int) -> list[float]:
        """Where each path begins: from 0 to 1."""
        intervals = self.first - 1
        while intervals > 2 and paths * intervals // 2 + 1 >= self.first:
            intervals //= 2
        return np.linspace(0, 1, intervals + 1).tolist()


@dataclass(frozen=True)
class Attribution:
    """An image's attribution, in logits: the mean over its baselines."""

    map: np.ndarray  # (H, W) float64, summed over colours: positive speaks for fake
    logit: float  # F(x)
    baseline_logit: float  # F(b), the mean
    steps: int  # gradients computed

    def error(self) -> float:
        """Completeness error: see `completeness_error`."""
        change = self.logit - self.baseline_logit
        return float(completeness_error(self.map.sum(), change))


@dataclass(frozen=True)
class _Node:
    """A point at which the gradient is wanted: of one path, or the end of several."""

    number: int  # of the image
    paths: list[IntegrationPath]
    at: float  # 0..1


def integrated_gradients(
    detector: ForgeryDetector,
    pairs: Pairs,
    accuracy: Accuracy,
    batch_size: BatchSize,
    precision: torch.dtype = torch.float32,
) -> Iterator[Attribution]:
    """Attribute the logits of images to their pixels, in the images' order.

    `pairs` are on the detector's device. The nodes of all paths in work stand in one
    queue, which is cut into batches of `batch_size`, halved for good where the memory
    does not hold one; further images are begun as soon as the queue would not fill one.
    So no more images are in work than fill a batch, and none is begun while these hold
    more than HELD bytes. The detector must be frozen and in eval mode.

    Where a gradient is not finite, neither is the map; a logit is handed on as it is.

    In another `precision` than float32 the ends of a path are computed in float32 all
    the same, so that the error is the true one; what does not reach the tolerance in
    LOW_PRECISION_STEPS, times its paths, is done anew in float32.
    """
    desk = _Desk(detector, accuracy, batch_size, precision)
    arriving = enumerate(pairs)
    taken, exhausted = 0, False
    while True:
        while not exhausted and desk.has_room():
            number, pair = next(arriving, (-1, None))
            exhausted = pair is None
            if pair is not None:
                desk.begin(number, ImagePaths(*pair), precision)
        if not desk.work():
            return
        while taken in desk.done:
            yield desk.done.pop(taken)
            taken += 1


class _Desk:
    """The images in work, and the nodes that they wait for, by precision."""

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
        self.working: dict[int, tuple[ImagePaths, torch.dtype]] = {}
        self.wasted: dict[int, int] = {}  # steps in low precision, to no avail
        self.done: dict[int, Attribution] = {}

    def has_room(self) -> bool:
        """Whether another image is to be begun: no queue fills a batch."""
        if max(map(len, self.queues.values())) >= self.batch_size.images:
            return False
        held = sum(_held(image) for image, _ in self.working.values())
        return not self.working or held <= HELD

    def begin(self, number: int, image: ImagePaths, dtype: torch.dtype) -> None:
        """Take an image into work. At their end, its paths share a gradient."""
        self.working[number] = image, dtype
        *nodes, end = self.accuracy.first_nodes(len(image.paths))
        for path in image.paths:
            for node in nodes:
                self._ask(number, [path], node)
        self._ask(number, image.paths, end)

    def _ask(self, number: int, paths: list[IntegrationPath], at: float) -> None:
        _, dtype = self.working[number]
        for path in paths:
            path.ask(at)
        queue = self.queues[torch.float32 if at in (0.0, 1.0) else dtype]
        queue.append(_Node(number, paths, at))

    def work(self) -> bool:
        """Compute a batch and go on with the images in it; False if there was none."""
        dtype = max(self.queues, key=lambda kind: len(self.queues[kind]))
        queue = self.queues[dtype]
        size = min(self.batch_size.images, len(queue))
        batch = [queue.popleft() for _ in range(size)]
        if not batch:
            return False
        answers = if_it_fits(size, _answers, self.detector, batch, dtype)
        if answers is None:
            self.batch_size.halve(size)
            queue.extendleft(reversed(batch))
            return True
        asked = [(path, node.at) for node in batch for path in node.paths]
        for (path, at), answer in zip(asked, answers, strict=True):
            path.answer(at, *answer)
        for number in dict.fromkeys(node.number for node in batch):
            if not self.working[number][0].waits():
                self._go_on(number)
        return True

    def _go_on(self, number: int) -> None:
        """Refine an image whose nodes are all known, or finish it."""
        image, dtype = self.working[number]
        steps, low = image.steps(), dtype != torch.float32
        most = self.accuracy.most
        if low:
            most = min(most, LOW_PRECISION_STEPS)
        room = max(0, most * len(image.paths) - steps)
        error = image.error()
        further = image.hard_middles(room) if np.isfinite(error) else []
        if error <= self.accuracy.tolerance or not (further or low):
            del self.working[number]
            steps += self.wasted.pop(number, 0)
            self.done[number] = Attribution(image.map(), *image.ends(), steps)
        elif further:
            for path, middle in further:
                self._ask(number, [path], middle)
        else:
            self.wasted[number] = steps
            again = ImagePaths(image.image, image.baselines)
            self.begin(number, again, torch.float32)


def _held(image: ImagePaths) -> int:
    """Bytes of an image, its baselines, and its paths' maps, known and asked for."""
    channels, height, width = image.image.shape
    planes = channels * (1 + len(image.paths))
    planes += sum(len(path.maps) + len(path.asked) for path in image.paths)
    return planes * height * width * image.image.element_size()


def if_it_fits(
    images: int, compute: Callable[..., Found], *arguments: object
) -> Found | None:
    """What is computed of so many images at once; None if the memory does not hold it.

    One image must fit. Nothing holds what there was of it once this has returned.
    """
    try:
        return compute(*arguments)
    except torch.OutOfMemoryError:
        if images == 1:
            raise
        return None


def _answers(
    detector: ForgeryDetector, batch: list[_Node], dtype: torch.dtype
) -> list[tuple[float, float, torch.Tensor]]:
    """What `IntegrationPath.answer` takes in, for each path of each node."""
    paths = [path for node in batch for path in node.paths]
    owners = [place for place, node in enumerate(batch) for _ in node.paths]
    images = torch.stack([path.image for path in paths])
    baselines = torch.stack([path.baseline for path in paths])
    at = images.new_tensor([batch[place].at for place in owners]).view(-1, 1, 1, 1)
    points = torch.lerp(baselines, images, at)  # which is the image at 1, to the bit
    _, first = np.unique(owners, return_index=True)  # paths that meet have one gradient
    logits, gradients = gradients_at(detector, points[first], dtype)
    maps = (gradients[owners] * (images - baselines)).sum(1)
    slopes = maps.sum((1, 2), dtype=torch.float64)
    found = torch.stack([logits.double()[owners], slopes], 1).tolist()
    # A view would keep all of the batch's maps for as long as one path is in work.
    pairs = zip(found, maps, strict=True)
    return [(logit, slope, map.clone()) for (logit, slope), map in pairs]


def gradients_at(
    detector: ForgeryDetector,
    points: torch.Tensor,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, torch.Tensor]:
    """F at `points` (N, 3, H, W) in 0..1, (N,), and its gradients, (N, 3, H, W)."""
    points = points.contiguous(memory_format=torch.channels_last).requires_grad_(True)
    low = dtype != torch.float32
    with torch.autocast(points.device.type, dtype, enabled=low):
        logits = detector(points)
    (gradients,) = torch.autograd.grad(logits.sum(), points)
    return logits.detach(), gradients
