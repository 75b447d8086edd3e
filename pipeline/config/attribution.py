"""The `attribution` section: Integrated Gradients over the test set."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.section import Reruns, Section

Baseline = Literal[
    "black", "grey", "white", "blurred", "mean_face", "noise", "real_face"
]


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("each baseline once")
    return names


# Keys that only one engine reads.
ADAPTIVE = Reruns("attribute_frames", engine="adaptive")
CAPTUM = Reruns("attribute_frames", engine="captum")


class AttributionConfig(Section):
    """How the fake logit is attributed to pixels."""

    reruns: ClassVar[Reruns] = Reruns("attribute_frames")

    baselines: Annotated[
        list[Baseline], AfterValidator(_unique), Reruns("compare_baselines")
    ] = Field(["black", "real_face"], min_length=1)
    """The images that attributions start from: nothing of them is evidence. Each gives
    maps and atlases of its own. mean_face is that of the real training faces;
    real_face the same frame before it was forged or, where there is none, the nearest
    real training face."""
    noise_draws: Annotated[int, Reruns("attribute_frames", baseline="noise")] = Field(
        8, ge=1, le=100
    )
    """Images of uniform noise that the attributions of the baseline noise are the mean
    of."""
    frames: int | None = Field(2, ge=1)
    """Frames of each person in each test video to explain, evenly spaced; null explains
    all crops."""
    tolerance: float = Field(0.05, gt=0, le=1)
    """Largest completeness error, as a share of the logit's change (of 0.1 logits where
    it changes less). Each image gets the steps that it needs for it; every map keeps
    its error beside it."""
    first_steps: Annotated[
        Literal[3, 5, 9, 17, 33, 65, 129],
        ADAPTIVE,
    ] = 9
    """Gradients that every image gets at least, evenly spaced (of noise, over all draws
    together, but three for each). More than the tolerance needs make the maps of single
    images smoother."""
    max_steps: Annotated[int, ADAPTIVE] = Field(257, ge=3, le=10_000)
    """Gradients after which an image is given up, its map marked as not converged (of
    noise, as many for each draw)."""
    precision: Annotated[
        Literal["float32", "bfloat16"],
        ADAPTIVE,
    ] = "float32"
    """bfloat16 computes gradients faster, and again in float32 where that does not
    reach the tolerance."""
    batch_size: int | None = Field(None, ge=1, le=65_536)
    """Gradients computed at once; null takes what fits into the memory."""
    engine: Literal["adaptive", "captum"] = "adaptive"
    """captum gives every image as many Gauss-Legendre steps, whatever their error."""
    steps: Annotated[int, CAPTUM] = Field(50, ge=2, le=10_000)
    """How many, with captum."""

    @model_validator(mode="after")
    def _check_precision(self) -> "AttributionConfig":
        if self.engine == "captum" and self.precision != "float32":
            raise ValueError("engine captum has no other precision than float32")
        return self

    @model_validator(mode="after")
    def _check_steps(self) -> "AttributionConfig":
        if self.max_steps < self.first_steps:
            raise ValueError(
                f"max_steps {self.max_steps} is below first_steps {self.first_steps}"
            )
        return self
