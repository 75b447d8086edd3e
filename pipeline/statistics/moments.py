"""Mean, spread and median of maps, in memory that does not grow with their number.

Parts are merged in a fixed tree over the shards in the order of their names, and frames
within a shard are added in the order of the file, so that sums of floats have the same
bits however these are given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Part = TypeVar("Part")

OCTAVES = (-24, 4)  # magnitudes 2^-24 (half precision's least) to 16 logits a pixel
PER_OCTAVE = 4  # a bin's middle is within 9.1 % of what is in it
BINS = (OCTAVES[1] - OCTAVES[0]) * PER_OCTAVE  # of each sign, beside the one for zero


def tree_merge(parts: Iterable[Part], merge: Callable[[Part, Part], Part]) -> Part:
    """Merge parts pairwise in their order, then the pairs, and so on.

    Each as soon as its partner is there: of n parts, log2(n) are held at once.
    """
    held: list[tuple[int, Part]] = []  # height in the tree, falling
    for part in parts:
        held.append((0, part))
        while len(held) > 1 and held[-2][0] == held[-1][0]:
            (height, one), (_, other) = held[-2:]
            held[-2:] = [(height + 1, merge(one, other))]
    *left, (_, total) = held
    for _, one in reversed(left):
        total = merge(one, total)
    return total


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of maps."""

    count: int
    mean: np.ndarray  # (G, G) float64
    squares: np.ndarray  # (G, G) float64

    @classmethod
    def of(cls, maps: np.ndarray) -> "Moments":
        """Of maps (n, G, G), n at least 1."""
        maps = np.asarray(maps, np.float64)
        mean = maps.mean(0)
        return cls(len(maps), mean, np.square(maps - mean).sum(0))

    def merged(self, other: "Moments") -> "Moments":
        """Of both (Chan, Golub and LeVeque 1979, the pairwise update)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        between = np.square(apart) * (self.count * other.count / count)
        return Moments(count, mean, self.squares + other.squares + between)

    def std(self) -> np.ndarray:
        """Sample standard deviation, (G, G); NaN of a single map."""
        if self.count < 2:
            return np.full_like(self.mean, np.nan)
        return np.sqrt(self.squares / (self.count - 1))


@dataclass(frozen=True)
class Sketch:
    """A histogram a pixel, even in the logarithm of the magnitude, for medians.

    13 MB to 15 MB at 128 x 128 px. Magnitudes below 2^-24 count as zero, those above 16
    as 16. Merging adds counts: exact, in any order.
    """

    counts: np.ndarray  # (2 BINS + 1, G, G) uint16 or wider: from -16 over zero to 16

    @classmethod
    def of(cls, maps: np.ndarray) -> "Sketch":
        """Of maps (n, G, G)."""
        bins = _bin(maps)
        _, height, width = maps.shape
        pixels = np.arange(height * width)
        flat = (bins.reshape(len(maps), -1) * (height * width) + pixels).ravel()
        total = (2 * BINS + 1) * height * width
        counts = np.bincount(flat, minlength=total).astype(np.uint32)
        return cls(counts.reshape(-1, height, width))

    def merged(self, other: "Sketch") -> "Sketch":
        """Of both."""
        return Sketch(self.counts + other.counts)

    def median(self) -> np.ndarray:
        """The lower median, (G, G), within 9.1 % of it."""
        return _middle()[_lower_median(self.counts)]

    def median_absolute(self) -> np.ndarray:
        """The lower median of the absolute values, (G, G), likewise."""
        folded = self.counts[BINS:].copy()
        folded[1:] += self.counts[:BINS][::-1]
        return _middle()[BINS:][_lower_median(folded)]


def _bin(maps: np.ndarray) -> np.ndarray:
    """Number of each value's bin, of the shape of `maps`."""
    with np.errstate(divide="ignore"):
        octave = np.log2(np.abs(maps, dtype=np.float64)) - OCTAVES[0]
    place = np.floor(octave * PER_OCTAVE)
    place = np.clip(np.where(np.isfinite(place), place, -1), -1, BINS - 1).astype(int)
    return BINS + np.sign(maps).astype(int) * (place + 1)


def _middle() -> np.ndarray:
    """The value that stands for each bin, (2 BINS + 1,): its geometric middle."""
    upper = 2.0 ** (OCTAVES[0] + (np.arange(BINS) + 0.5) / PER_OCTAVE)
    return np.concatenate([-upper[::-1], [0.0], upper])


def _lower_median(counts: np.ndarray) -> np.ndarray:
    """The bin, (G, G), in which the lower median of counts (bins, G, G) lies."""
    reached = counts.cumsum(0, dtype=np.int64)
    half = (reached[-1] + 1) // 2
    return (reached < half).sum(0)
