"""The `attribution` section: Integrated Gradients over the test set."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class AttributionConfig(Section):
    """How the fake logit is attributed to pixels."""

    baseline: Literal["black", "grey", "white", "blurred"] = "black"
    """The image that attributions start from: nothing of it is evidence."""
    steps: int = Field(32, ge=2, le=2000)
    """Gauss-Legendre nodes on the path from the baseline to the image."""
    frames: int | None = Field(2, ge=1)
    """Frames of each test video to explain, evenly spaced; null explains all crops."""
    tolerance: float = Field(0.05, gt=0, le=1)
    """Largest completeness error, as a share of the logit's change, of a map that
    counts as converged. Every map keeps its error beside it."""
    batch_size: int = Field(64, ge=1, le=65_536)
    """Interpolated images in a forward and backward pass: bounds the memory."""
