"""The configuration of a run: all sections together."""

from typing import Annotated, NamedTuple

from pydantic import Field

from pipeline.config.atlases import AtlasesConfig
from pipeline.config.attribution import AttributionConfig
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.faces import FacesConfig
from pipeline.config.fetch import FetchConfig
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.models import AugmentConfig, ModelConfig
from pipeline.config.protocols import FINISHED, ProtocolConfig
from pipeline.config.report import ReportConfig
from pipeline.config.section import Folder, Name, Reruns, Section
from pipeline.config.sources import FolderConfig, SourcesConfig

# The demo trains for a few minutes, which is too short to learn with JPEG, rescaling,
# blur and noise.
DEMO_AUGMENT = AugmentConfig(jpeg=0.0, rescale=0.0, blur=0.0, noise=0.0)
DEMO_EPOCHS = 2

SEED_LIMIT = 2**31  # every `seed` is below it


def _demo_model(timm: str) -> ModelConfig:
    return ModelConfig(timm=timm, epochs=DEMO_EPOCHS, augment=DEMO_AUGMENT)


class Training(NamedTuple):
    """One training of a model, or the one use of a model that is not trained.

    Attributes:
        model: the model's name in the configuration.
        number: of the training, from 1.
    """

    model: str
    number: int

    @property
    def name(self) -> str:
        """The detector's name in folders, tables and figures."""
        if self.number == 1:
            return self.model
        return f"{self.model}-training{self.number}"


class RunConfig(Section):
    """All settings of a run."""

    results: Annotated[Folder, Reruns("all")] = "results"
    """Folder that all results are written to."""
    seed: Annotated[
        int,
        Reruns(
            *("train_model", "evaluate_model", "compare_models", "attribute_frames"),
            *("sum_attributions", "cluster_maps"),
        ),
    ] = Field(0, ge=0, lt=SEED_LIMIT)
    """Seed of all random numbers in training and evaluation."""
    seeds: Annotated[
        int,
        Reruns(
            *("collect_metrics", "compare_models", "compare_atlases"),
            *("draw_comparison", "mark_significant"),
        ),
    ] = Field(1, ge=1, le=20)
    """Number of trainings of each model, which differ in their random numbers alone.
    The first one has the model's name and uses `seed`. The others are further
    detectors, called `<name>-training2` and so on. A finished detector (`weights`) and
    a model with `epochs: 0` are there once."""
    sources: SourcesConfig = SourcesConfig(miniature=MiniatureConfig())
    """The data sets, and where their videos are. If you name any, the default data set
    is not used. Several data sets are used together, in training and in the test."""
    fetch: FetchConfig = FetchConfig()
    """How videos are downloaded from a server."""
    faces: FacesConfig = FacesConfig()
    """Which frames are decoded, and how faces are found and cropped."""
    models: dict[Name, ModelConfig] = Field(
        {
            "xception": _demo_model("legacy_xception"),
            "densenet": _demo_model("densenet121"),
        },
        min_length=1,
    )
    """The detectors. Each has a name of your choice. If you name any, the default two
    are not used."""
    protocols: dict[Name, ProtocolConfig] = Field(
        {"all": ProtocolConfig()}, min_length=1
    )
    """The sets of videos that detectors are trained on. Each has a name of your choice.
    Each model is trained for each protocol, except finished detectors (`weights`).
    If you name any, the default protocol is not used, which trains on all videos of the
    training split."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How the confidence intervals of metrics are computed. The decision threshold is
    chosen on the validation split. It is 0.5 for a finished detector in a run without
    labelled validation videos."""
    attribution: AttributionConfig = AttributionConfig()
    """How the logit for fake is attributed to pixels."""
    atlases: AtlasesConfig = AtlasesConfig()
    """How attributions are shown. A change here runs no model again."""
    report: ReportConfig = ReportConfig()
    """What the page with the results shows. A change here makes only the page again."""

    def trainings(self) -> list[Training]:
        """The trainings of all models, model by model.

        A finished detector, and a model with `epochs: 0`, have one training: further
        ones would be the same.
        """
        return [
            Training(name, number)
            for name, model in self.models.items()
            for number in range(1, self._repeats(model) + 1)
        ]

    def _repeats(self, model: ModelConfig) -> int:
        return self.seeds if model.epochs and not model.finished else 1

    def trained(self) -> list[tuple[Training, str]]:
        """Training and protocol of each detector that is trained, model by model."""
        return [
            (training, protocol)
            for training, protocol in self.detectors()
            if not self.models[training.model].finished
        ]

    def detectors(self) -> list[tuple[Training, str]]:
        """Training and protocol of each detector, model by model.

        A finished detector is there once; FINISHED stands for its protocol.
        """
        return [
            (training, protocol)
            for training in self.trainings()
            for protocol in self._protocols_of(self.models[training.model])
        ]

    def _protocols_of(self, model: ModelConfig) -> list[str]:
        return [FINISHED] if model.finished else list(self.protocols)


# Keys that hold one section for each name that the user chooses.
ENTRIES: dict[str, type[Section]] = {
    "models": ModelConfig,
    "protocols": ProtocolConfig,
    "folders": FolderConfig,
}
