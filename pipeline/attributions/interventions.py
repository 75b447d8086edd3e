"""What a detector says if parts of a forgery are put into its original.

A fake and its aligned original show the same moment. So the pixels of either can be put
into the other, and the picture stays one of a face. The logit is measured, and not
attributed: a map that says "the mouth adds 2.1 logits" can be compared with what the
mouth does.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from pipeline.models.networks import ForgeryDetector, to_images
from pipeline.statistics.seeds import named_generator

# Shares of the crop that curves of insertion and deletion exchange, in the order of a
# map: the most positive pixels first.
FRACTIONS = (0.05, 0.1, 0.2, 0.4)
RANDOM_BLUR = 1 / 16  # of the random order, as a share of the side

# The number of a pair of crops, and the pixels (S, S) bool that are the fake's.
Selection = tuple[int, np.ndarray]


def mixed_logits(
    detector: ForgeryDetector,
    fakes: np.ndarray,
    originals: np.ndarray,
    selections: Iterable[Selection],
    batch_size: int,
) -> np.ndarray:
    """The logits (M,) float64 of crops that are partly fake and partly original.

    `fakes` and `originals` are (N, S, S, 3) uint8. Each of the M selections says which
    pixels of one pair are the fake's; the others are the original's.
    """
    device = detector.get_buffer("mean").device
    found = []
    for batch in _batches(selections, batch_size):
        mixed = [
            np.where(chosen[..., None], fakes[number], originals[number])
            for number, chosen in batch
        ]
        images = to_images(torch.from_numpy(np.stack(mixed)).to(device))
        with torch.inference_mode():
            logits = detector(images.contiguous(memory_format=torch.channels_last))
        found.append(logits.double().cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0)


def _batches(items: Iterable[Selection], size: int) -> Iterator[list[Selection]]:
    batch: list[Selection] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def region_effects(
    detector: ForgeryDetector,
    fakes: np.ndarray,
    originals: np.ndarray,
    labels: np.ndarray,
    count: int,
    batch_size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the logit changes with single regions of N pairs of crops.

    `labels` (N, S, S) is the region of each pixel, 0..count - 1. Returns

    - removal (N, count): the logit of the fake, minus its logit with the region's
      pixels from the original.
    - insertion (N, count): the logit of the original with the region's pixels from the
      fake, minus its own logit.
    - logits (N, 2): those of the fake and of the original.

    Both changes add up to the difference of the two logits over the regions if the
    detector is additive over them. Regions that no pixel has get 0.
    """
    side = labels.shape[-1]
    everything = np.ones((side, side), bool)

    def selections() -> Iterator[Selection]:
        for number, regions in enumerate(labels):
            yield number, everything
            yield number, ~everything
            for region in range(count):
                yield number, regions != region
                yield number, regions == region

    found = mixed_logits(detector, fakes, originals, selections(), batch_size)
    logits = found.reshape(len(labels), 1 + count, 2)
    ends, regions = logits[:, 0], logits[:, 1:]
    return ends[:, :1] - regions[:, :, 0], regions[:, :, 1] - ends[:, 1:], ends


def curve_logits(
    detector: ForgeryDetector,
    fakes: np.ndarray,
    originals: np.ndarray,
    heats: np.ndarray,
    batch_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits along curves of insertion and deletion, (N, FRACTIONS) each.

    `heats` (N, S, S) orders the pixels of each pair: the largest values come first.
    Insertion puts the first pixels of the fake into its original, deletion puts those
    of the original into the fake (Petsiuk et al. 2018, section 4, "RISE"). Here both
    ends are pictures of the same face, and not a grey or blurred image.
    """
    side = heats.shape[-1]

    def selections() -> Iterator[Selection]:
        for number, heat in enumerate(heats):
            order = np.argsort(-heat, axis=None, kind="stable")
            for fraction in FRACTIONS:
                first = np.zeros(side * side, bool)
                first[order[: round(fraction * side * side)]] = True
                chosen = first.reshape(side, side)
                yield number, chosen
                yield number, ~chosen

    found = mixed_logits(detector, fakes, originals, selections(), batch_size)
    logits = found.reshape(len(heats), len(FRACTIONS), 2)
    return logits[..., 0], logits[..., 1]


def random_orders(keys: Sequence[str], size: int, seed: int) -> np.ndarray:
    """Random heats (N, size, size) with spots of about the size of a map's.

    A heat depends only on `seed` and on its key.
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    kept = np.exp(-2 * (np.pi * frequency * RANDOM_BLUR * size) ** 2)  # a Gaussian
    shape = (size, size)
    noise = [named_generator(seed, f"order {key}").normal(size=shape) for key in keys]
    return np.fft.ifft2(np.fft.fft2(np.stack(noise)) * kept).real
