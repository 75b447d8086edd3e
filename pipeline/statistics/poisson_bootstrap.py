"""Resample identities: weighted sums over maps.

A Poisson bootstrap (Chamandy, Muralidharan, Najmi and Naidu 2012): each identity enters
a resample as often as a Poisson(1) number says. The number is a function of the seed
and of the identity's name, so that sums can be streamed, merged, and paired over
detectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.statistics.seeds import named_generator


def weights(identities: Sequence[str], replicates: int, seed: int) -> np.ndarray:
    """How often each identity is in each resample: (n, B) uint8, Poisson(1)."""
    return np.stack([_weights(name, replicates, seed) for name in identities])


def _weights(identity: str, replicates: int, seed: int) -> np.ndarray:
    rng = named_generator(seed, identity)
    return rng.poisson(1.0, replicates).astype(np.uint8)


@dataclass(frozen=True)
class Replicates:
    """Weighted sums over frames, of each of B resamples."""

    total: np.ndarray  # (B, P) float64
    frames: np.ndarray  # (B,) float64

    @classmethod
    def of(cls, values: np.ndarray, drawn: np.ndarray) -> "Replicates":
        """Of the values (n, P) of one identity's frames, and its weights (B,)."""
        drawn = drawn.astype(np.float64)
        return cls(np.outer(drawn, values.sum(0)), drawn * len(values))

    def merged(self, other: "Replicates") -> "Replicates":
        """Of both."""
        return Replicates(self.total + other.total, self.frames + other.frames)

    def means(self) -> np.ndarray:
        """Means over frames, (B, P); NaN of a resample that nobody is in."""
        frames = np.where(self.frames > 0, self.frames, np.nan)
        return self.total / frames[:, None]
