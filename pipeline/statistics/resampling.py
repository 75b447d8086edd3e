"""Resample identities with Poisson weights, and sum maps with these weights.

In a Poisson bootstrap (Chamandy, Muralidharan, Najmi and Naidu 2012) each identity
enters a resample as often as a Poisson(1) number says. Here this number depends only on
the seed and on the name of the identity. Sums can therefore be streamed and merged, and
different detectors are compared on the same resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.statistics.seeds import named_generator


def weights(identities: Sequence[str], replicates: int, seed: int) -> np.ndarray:
    """How often each of n identities is in each of B resamples: (n, B) uint8."""
    return np.stack([_weights(name, replicates, seed) for name in identities])


def _weights(identity: str, replicates: int, seed: int) -> np.ndarray:
    rng = named_generator(seed, identity)
    return rng.poisson(1.0, replicates).astype(np.uint8)


@dataclass(frozen=True)
class Replicates:
    """Sums over frames in each of B resamples, of P values for each frame."""

    total: np.ndarray  # (B, P) float64: weighted sums of the values
    frames: np.ndarray  # (B,) float64: sums of the weights

    @classmethod
    def of(cls, values: np.ndarray, drawn: np.ndarray) -> "Replicates":
        """The sums for one identity: values (n, P) of its frames, weights (B,)."""
        drawn = drawn.astype(np.float64)
        return cls(np.outer(drawn, values.sum(0)), drawn * len(values))

    def merged(self, other: "Replicates") -> "Replicates":
        """The sums over the frames of both."""
        return Replicates(self.total + other.total, self.frames + other.frames)

    def means(self) -> np.ndarray:
        """Means over frames (B, P) float64; NaN for a resample without frames."""
        frames = np.where(self.frames > 0, self.frames, np.nan)
        return self.total / frames[:, None]
