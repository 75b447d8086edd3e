"""The keys that every source of videos has."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Folder, Reruns, Section

ShardCount = Annotated[int, Field(ge=1, le=10_000)]


class ShardsConfig(Section):
    """Number of shards of each split. The shard of a video depends only on its id."""

    reruns: ClassVar[Reruns] = Reruns("checksum_videos")

    train: ShardCount = 4
    """Number of shards of the training split. A new number moves all its videos to
    other shards."""
    val: ShardCount = 1
    """Number of shards of the validation split."""
    test: ShardCount = 2
    """Number of shards of the test split."""


class SourceConfig(Section):
    """The keys that every source has."""

    # Only shards whose videos change become stale.
    reruns: ClassVar[Reruns] = Reruns("checksum_videos")

    root: Folder
    """Folder of the data set. All its paths are relative to this folder."""
    use: Literal["all", "test"] = "all"
    """`all`: use the data set for training, validation and test. `test`: use it only
    for the test. Then its test split is used if the authors or the table give one,
    otherwise all its videos."""
    shards: ShardsConfig = ShardsConfig()
    """Number of shards of each split. Most steps run one job for each shard."""

    @model_validator(mode="after")
    def _check_repeats(self) -> "SourceConfig":
        for key in ("methods", "compressions"):
            values = getattr(self, key, [])
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names something twice: {values}")
        return self
