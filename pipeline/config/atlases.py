"""The `atlases` section: pictures and tables made of the attributions."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.config.section import Reruns, Section


class AtlasesConfig(Section):
    """How attributions are shown. A change here runs no model again."""

    reruns: ClassVar[Reruns] = Reruns("draw_atlas", "draw_baselines", "draw_comparison")

    colormap: Literal["vik", "broc", "cork", "bam"] = "vik"
    """Colour map of the attributions. Each is one of Crameri's diverging colour maps:
    perceptually uniform and readable for colour-blind people. The middle is zero. The
    upper end is evidence for fake."""
    opacity: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Opacity of the strongest attribution where it is drawn over a face."""
    gallery: Annotated[int, Reruns("draw_atlas")] = Field(4, ge=1, le=20)
    """Number of faces in each row of the gallery."""
