"""What every source of videos has in its configuration."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Folder, Reruns, Section

ShardCount = Annotated[int, Field(ge=1, le=10_000)]


class ShardsConfig(Section):
    """How many shards each split is cut into; a video's shard hangs on its id alone."""

    reruns: ClassVar[Reruns] = Reruns("checksum_videos")

    train: ShardCount = 4
    """Shards of the training split. A change here moves every video of it."""
    val: ShardCount = 1
    """Shards of the validation split."""
    test: ShardCount = 2
    """Shards of the test split."""


class SourceConfig(Section):
    """What every source has."""

    # Of the shards whose videos change by it.
    reruns: ClassVar[Reruns] = Reruns("checksum_videos")

    root: Folder
    """Folder that all its paths are below."""
    use: Literal["all", "test"] = "all"
    """`all`: for training, validation and test. `test`: for testing only, namely the
    test split where the authors or the table give one, else everything."""
    shards: ShardsConfig = ShardsConfig()
    """How many shards each split is cut into: a job each."""

    @model_validator(mode="after")
    def _nothing_twice(self) -> "SourceConfig":
        for key in ("methods", "compressions"):
            values = getattr(self, key, [])
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names something twice: {values}")
        return self
