"""The whole configuration."""

from typing import Annotated

from pydantic import Field

from pipeline.config.atlases import AtlasesConfig
from pipeline.config.attribution import AttributionConfig
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.faces import FacesConfig
from pipeline.config.fetch import FetchConfig
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.models import AugmentConfig, ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.config.section import Folder, Name, Reruns, Section
from pipeline.config.sources import FolderConfig, SourcesConfig

# For the demo, whose few minutes of training do not suffice to see through JPEG.
BRIEF = AugmentConfig(jpeg=0.0, rescale=0.0, blur=0.0, noise=0.0)


class RunConfig(Section):
    """Everything that a run depends on."""

    results: Annotated[Folder, Reruns("all")] = "results"
    """Folder that everything is written to."""
    seed: Annotated[
        int,
        Reruns(
            *("train_model", "evaluate_model", "compare_models", "attribute_frames"),
            *("sum_attributions", "cluster_maps"),
        ),
    ] = Field(0, ge=0, lt=2**31)
    """The one seed of all randomness in training and evaluation."""
    sources: SourcesConfig = SourcesConfig(miniature=MiniatureConfig())
    """The data sets, from where. Naming any replaces the default one; several are
    trained on, and tested on, together."""
    fetch: FetchConfig = FetchConfig()
    """How videos are fetched from a server."""
    faces: FacesConfig = FacesConfig()
    """Which frames are decoded, how faces are found and cropped."""
    models: dict[Name, ModelConfig] = Field(
        {
            "xception": ModelConfig(timm="legacy_xception", augment=BRIEF),
            "densenet": ModelConfig(timm="densenet121", augment=BRIEF),
        },
        min_length=1,
    )
    """The detectors, by a name of your choice. Naming any replaces the default two."""
    protocols: dict[Name, ProtocolConfig] = Field(
        {"all": ProtocolConfig()}, min_length=1
    )
    """What detectors are trained on, by a name of your choice: each model is trained
    once in each. Naming any replaces the default one, which uses everything."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How metrics get their intervals; decisions are made at validation's threshold."""
    attribution: AttributionConfig = AttributionConfig()
    """How the fake logit is attributed to pixels."""
    atlases: AtlasesConfig = AtlasesConfig()
    """How attributions are shown; nothing here runs a model again."""


# Keys that hold a section under each name that the user chooses.
ENTRIES: dict[str, type[Section]] = {
    "models": ModelConfig,
    "protocols": ProtocolConfig,
    "folders": FolderConfig,
}
