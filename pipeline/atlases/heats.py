"""The heats that are scored against masks: attributions, and controls.

A control is a picture that can score well without a trained detector:

- `|x - baseline|`: how much the frame differs from its baseline, summed over the
  colours. An attribution is a weighted version of it.
- `edges`: the gradient of the frame's brightness, which knows no detector.
- `random weights`: the attribution of the same network with random weights, for a
  sample of the frames.
- `centre` and `mean mask`: a spot in the middle, and the mean mask of the training
  fakes. They do not depend on the frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.atlases.scales import at_scale

ATTRIBUTION, ABSOLUTE = "attribution", "|attribution|"
CHANGE, EDGES, RANDOM = "|x - baseline|", "edges", "random weights"
CENTRE, MEAN_MASK = "centre", "mean mask"
CONTROLS = (CHANGE, EDGES, RANDOM, CENTRE, MEAN_MASK)
HEATS = (ATTRIBUTION, ABSOLUTE, *CONTROLS)


@dataclass(frozen=True)
class FrameHeats:
    """What a frame's heats are made of.

    Attributes:
        attribution: (S, S): its map.
        change: (S, S): |x - baseline|.
        crop: (S, S, 3) uint8.
        random: (S, S): the map of a network with random weights; None if unknown.
    """

    attribution: np.ndarray
    change: np.ndarray
    crop: np.ndarray
    random: np.ndarray | None = None

    def at_scale(self, scale: str) -> Mapping[str, np.ndarray]:
        """Its heats at a scale, by their names: those that depend on the frame."""
        maps = {ATTRIBUTION: self.attribution, CHANGE: self.change}
        maps[EDGES] = edges(self.crop)
        if self.random is not None:
            maps[RANDOM] = self.random
        scaled = {name: at_scale(heat, scale) for name, heat in maps.items()}
        return {**scaled, ABSOLUTE: np.abs(scaled[ATTRIBUTION])}


def constant_heats(size: int, prior: np.ndarray | None) -> dict[str, np.ndarray]:
    """The controls that do not depend on the frame, each (S, S) with S = `size`.

    Without training videos there is no mean training mask `prior`, and no control of
    this name.
    """
    heats = {CENTRE: centre_prior(size), MEAN_MASK: prior}
    return {name: heat for name, heat in heats.items() if heat is not None}


def centre_prior(size: int) -> np.ndarray:
    """An isotropic Gaussian in the middle, (size, size) float64, about 1 at its peak.

    Its standard deviation is a quarter of the side, so that two of them reach the
    edges. The width only matters for the mass scores.
    """
    away = (np.arange(size) - (size - 1) / 2) / (size / 4)
    return np.exp(-(away[:, None] ** 2 + away**2) / 2)


def edges(crop: np.ndarray) -> np.ndarray:
    """The length of the gradient of a crop's brightness, (S, S) float32.

    It is computed with Sobel's filter from the crop (S, S, 3) uint8.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    right, down = (cv2.Sobel(grey, cv2.CV_32F, *d) for d in ((1, 0), (0, 1)))
    return np.hypot(right, down)
