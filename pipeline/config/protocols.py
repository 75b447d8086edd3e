"""The `protocols` section: what a detector is trained on."""

from typing import ClassVar

from pydantic import Field, model_validator

from pipeline.config.section import Compression, Name, Reruns, Section

# Stands for a protocol in the names and tables of finished detectors, which this run
# does not train.
FINISHED = "finished"


def detector_title(model: str, protocol: str) -> str:
    """How a detector is called in figures, cards and messages."""
    if protocol == FINISHED:
        return f"{model}, a finished detector"
    return f"{model}, trained on {protocol}"


class ProtocolConfig(Section):
    """Which videos training and validation use.

    Testing always uses all test videos. Its tables have separate rows for each data
    set, compression and method.
    """

    reruns: ClassVar[Reruns] = Reruns(
        "collect_references", "train_model", "choose_operating_point"
    )

    methods: list[Name] | None = Field(None, min_length=1)
    """Methods whose fakes are used in training. null uses all methods."""
    leave_out: list[Name] = []
    """Methods whose fakes are left out of training. The test then shows how the
    detector does on methods that it has never seen."""
    compressions: list[Compression] | None = Field(None, min_length=1)
    """Compressions that are used in training. null uses all compressions."""
    datasets: list[Name] | None = Field(None, min_length=1)
    """Data sets that are used in training. The others are used only in the test. null
    uses all data sets."""

    @model_validator(mode="after")
    def _check_methods(self) -> "ProtocolConfig":
        both = set(self.methods or ()) & set(self.leave_out)
        if both:
            raise ValueError(f"methods and leave_out both name {sorted(both)}")
        return self

    def trained_methods(self, available: list[str]) -> list[str]:
        """The methods of `available` whose fakes are used in training."""
        wanted = available if self.methods is None else self.methods
        return [m for m in available if m in wanted and m not in self.leave_out]

    def trained_compressions(self, available: list[str]) -> list[str]:
        """The compressions of `available` that are used in training."""
        wanted = available if self.compressions is None else self.compressions
        return [c for c in available if c in wanted]

    def trained_datasets(self, available: list[str]) -> list[str]:
        """The data sets of `available` that are used in training."""
        wanted = available if self.datasets is None else self.datasets
        return [d for d in available if d in wanted]
