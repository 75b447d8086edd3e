"""The `videos` section: which data set, and how it is cut into shards."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Folder, Name, Section

Compression = Literal["raw", "c23", "c40"]
ShardCount = Annotated[int, Field(ge=1, le=10_000)]


class ShardsConfig(Section):
    """How many shards each split is cut into; a video's shard hangs on its id alone."""

    train: ShardCount = 4
    """Shards of the training split."""
    val: ShardCount = 1
    """Shards of the validation split."""
    test: ShardCount = 2
    """Shards of the test split."""


class MiniatureConfig(Section):
    """The drawn corpus (only for `source: miniature`)."""

    train_pairs: int = Field(15, ge=1, le=400)
    """Pairs of persons to train on; a pair is 2 real videos and 2 fakes a method."""
    val_pairs: int = Field(3, ge=1, le=50)
    """Pairs of persons to choose the epoch on."""
    test_pairs: int = Field(6, ge=1, le=50)
    """Pairs of persons to test on."""
    min_frames: int = Field(32, ge=1, le=1000)
    """Frames of the shortest videos."""
    max_frames: int = Field(44, ge=1, le=1000)
    """Frames of the longest videos."""
    compressions: list[Literal["c23", "c40"]] = Field(["c23", "c40"], min_length=1)
    """Compressions to write every video in (H.264 with CRF 23 or 40)."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of every person, movement and place."""

    @model_validator(mode="after")
    def _frames_in_order(self) -> "MiniatureConfig":
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"min_frames ({self.min_frames}) is above max_frames "
                f"({self.max_frames}); swap them"
            )
        return self


class VideosConfig(Section):
    """Which videos, from where."""

    source: Literal["miniature", "faceforensics"] = "miniature"
    """`miniature`: drawn faces, rendered on the spot, test data and no evidence about
    real deepfakes. `faceforensics`: FaceForensics++ in its own folders on disk."""
    root: Folder = "data/miniature"
    """Folder of the data set: the one that holds `original_sequences` and
    `manipulated_sequences`. The miniature corpus is written here."""
    splits: str | None = None
    """Folder with the authors' `train.json`, `val.json` and `test.json`
    (only for `source: faceforensics`)."""
    methods: list[Name] = Field(
        ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"], min_length=1
    )
    """Manipulation methods to use, as their folders are called."""
    compressions: list[Compression] = Field(["c23"], min_length=1)
    """Compressions to use; a protocol may train on some of them alone."""
    pairs: int | None = Field(None, ge=1)
    """Use only the first so many pairs of each split; null uses all."""
    shards: ShardsConfig = ShardsConfig()
    """How many shards each split is cut into. A change here moves every video."""
    miniature: MiniatureConfig = MiniatureConfig()
    """The drawn corpus (only for `source: miniature`)."""

    @model_validator(mode="after")
    def _nothing_twice(self) -> "VideosConfig":
        for key in ("methods", "compressions"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names something twice: {values}")
        for taken in {"real", "all"} & set(self.methods):
            raise ValueError(f"methods: the name {taken!r} has a meaning in the tables")
        return self
