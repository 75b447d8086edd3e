"""The `atlases` section: pictures and tables made of the attributions."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.config.section import Reruns, Section


class AtlasesConfig(Section):
    """How attributions are shown; nothing here runs a model again."""

    reruns: ClassVar[Reruns] = Reruns("draw_atlas", "draw_baselines", "draw_comparison")

    colormap: Literal["vik", "broc", "cork", "bam"] = "vik"
    """One of Crameri's diverging colour maps, even to the eye and readable for the
    colour-blind: the middle is zero, the upper end speaks for fake."""
    opacity: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Opacity of the strongest attribution when laid over a face."""
    gallery: Annotated[int, Reruns("draw_atlas")] = Field(4, ge=1, le=20)
    """Faces in each row of the gallery."""
