"""The `protocols` section: what a detector is trained on."""

from typing import ClassVar

from pydantic import Field, model_validator

from pipeline.config.section import Compression, Name, Reruns, Section


class ProtocolConfig(Section):
    """Which videos training and validation use; testing is always on all of them.

    What the test says of each data set, compression and method stands in its own rows.
    """

    reruns: ClassVar[Reruns] = Reruns(
        "collect_references", "train_model", "choose_operating_point"
    )

    methods: list[Name] | None = Field(None, min_length=1)
    """Train on the fakes of these methods alone; null takes all."""
    leave_out: list[Name] = []
    """Methods whose fakes are kept from training, to be tested as unknown ones."""
    compressions: list[Compression] | None = Field(None, min_length=1)
    """Train on these compressions alone; null takes all."""
    datasets: list[Name] | None = Field(None, min_length=1)
    """Train on these data sets alone, and only test on others; null takes all."""

    @model_validator(mode="after")
    def _either_way(self) -> "ProtocolConfig":
        both = set(self.methods or ()) & set(self.leave_out)
        if both:
            raise ValueError(f"methods and leave_out both name {sorted(both)}")
        return self

    def trained_methods(self, available: list[str]) -> list[str]:
        """The methods of `available` whose fakes are trained on."""
        wanted = available if self.methods is None else self.methods
        return [m for m in available if m in wanted and m not in self.leave_out]

    def trained_compressions(self, available: list[str]) -> list[str]:
        """The compressions of `available` that are trained on."""
        wanted = available if self.compressions is None else self.compressions
        return [c for c in available if c in wanted]

    def trained_datasets(self, available: list[str]) -> list[str]:
        """The data sets of `available` that are trained on."""
        wanted = available if self.datasets is None else self.datasets
        return [d for d in available if d in wanted]
