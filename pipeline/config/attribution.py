"""The `attribution` section: Integrated Gradients over the test set."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config.baseline_names import Baseline
from pipeline.config.section import Reruns, Section


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("name each baseline once")
    return names


def _not_real_face(names: object) -> object:
    """Refuse the earlier baseline `real_face`, which was two baselines in one."""
    if isinstance(names, list) and "real_face" in names:
        raise ValueError(
            "real_face is now two baselines: `original` (the same frame before it was "
            "forged; only for frames that have one) and `nearest_real` (the most "
            "similar real validation face; for all frames). Name one of them, or both"
        )
    return names


# Keys that only one engine reads.
ADAPTIVE_RERUNS = Reruns("attribute_frames", engine="adaptive")
CAPTUM_RERUNS = Reruns("attribute_frames", engine="captum")


class AttributionConfig(Section):
    """How the logit for fake is attributed to pixels."""

    reruns: ClassVar[Reruns] = Reruns("attribute_frames")

    baselines: Annotated[
        list[Baseline],
        BeforeValidator(_not_real_face),
        AfterValidator(_unique),
        Reruns("compare_baselines", "measure_controls", "mark_significant"),
    ] = Field(["black", "original", "nearest_real"], min_length=1)
    """Images at which the integration path starts. Only differences from the baseline
    count as evidence. Each baseline gives its own maps and atlases. `original` is the
    same frame before it was forged. Only fakes whose original is aligned with them have
    it; other frames are not explained from it. Its maps say which of the changed pixels
    count, and not whether the detector finds the forgery. `nearest_real` is the most
    similar real validation face of the same data set and compression, for real frames
    and for fakes; it needs real validation videos. `mean_face` is the mean of the real
    training faces, and needs real training videos."""
    noise_draws: Annotated[int, Reruns("attribute_frames", baseline="noise")] = Field(
        8, ge=1, le=100
    )
    """Number of uniform noise images for the baseline `noise`. Its attributions are the
    mean over these images."""
    frames: int | None = Field(1, ge=1)
    """Number of frames to explain for each person in each test video. They are evenly
    spaced. null explains all crops."""
    control_frames: Annotated[int, Reruns("measure_controls")] = Field(12, ge=0, le=200)
    """Number of fakes of each test shard on which controls are measured: maps of the
    same network with random weights, maps of the fake's own real frame, and the logits
    of crops that are partly fake and partly original. They take about as long as the
    maps of a frame. 0 measures none."""
    tolerance: float = Field(0.05, gt=0, le=1)
    """Largest completeness error: the error of the sum of a map, as a share of the
    change of the logit, or of a quarter of the sum of the absolute attributions if this
    is more. Each image gets as many steps as this and `map_tolerance` need. Both errors
    are stored with the map."""
    map_tolerance: Annotated[float, ADAPTIVE_RERUNS] = Field(0.1, gt=0, le=1)
    """Largest estimated error of a map: the sum of the absolute errors of 32 x 32
    squares of pixels, as a share of the sum of their absolute values. Errors of single
    pixels are larger: by a sixth at 80 px. The number of gradients is in inverse
    proportion to it."""
    first_steps: Annotated[int, ADAPTIVE_RERUNS] = Field(9, ge=4, le=1000)
    """Smallest number of gradients for each image, evenly spaced on the path. For the
    baseline `noise` it counts all draws together, with at least four for each draw."""
    max_steps: Annotated[int, ADAPTIVE_RERUNS] = Field(257, ge=4, le=10_000)
    """Largest number of gradients for each image. An image that needs more is marked as
    not converged. For the baseline `noise` this is the number for each draw."""
    batch_size: int | None = Field(None, ge=1, le=65_536)
    """Number of gradients computed at once. null takes as many as fit into memory."""
    engine: Literal["adaptive", "captum"] = "adaptive"
    """`adaptive` takes steps until both tolerances are reached. `captum` takes the same
    number of Gauss-Legendre steps for every image, whatever the error. The errors of
    its maps are not known; only completeness is checked."""
    steps: Annotated[int, CAPTUM_RERUNS] = Field(50, ge=2, le=10_000)
    """Number of steps for each image with `engine: captum`."""

    @model_validator(mode="after")
    def _check_steps(self) -> "AttributionConfig":
        if self.max_steps < self.first_steps:
            raise ValueError(
                f"max_steps {self.max_steps} is below first_steps {self.first_steps}"
            )
        return self
