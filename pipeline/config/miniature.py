"""The miniature corpus in the `sources` section."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Folder, Reruns
from pipeline.config.source import ShardsConfig, SourceConfig

MiniatureMethod = Literal["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]
ALL_METHODS: list[MiniatureMethod] = [
    "Deepfakes",
    "Face2Face",
    "FaceSwap",
    "NeuralTextures",
]


class MiniatureConfig(SourceConfig):
    """The miniature corpus: drawn faces and drawn forgeries."""

    root: Folder = "data/miniature"
    """Folder that the videos are written to."""
    shards: ShardsConfig = ShardsConfig(train=2, val=1, test=1)
    """Number of shards of each split. Most steps run one job for each shard."""
    methods: list[MiniatureMethod] = Field(ALL_METHODS, min_length=1)
    """Manipulation methods to use."""
    compressions: list[Literal["c23", "c40"]] = Field(["c23"], min_length=1)
    """Compressions to use. A protocol may train on only some of them."""
    written: Annotated[list[Literal["c23", "c40"]], Reruns("render_videos")] = Field(
        ["c23", "c40"], min_length=1
    )
    """Compressions in which every video is written: `c23` is H.264 with CRF 23, `c40`
    with CRF 40."""
    train_pairs: int = Field(42, ge=1, le=400)
    """Number of pairs of persons in the training split. A pair has 2 real videos, and 2
    fakes for each method."""
    val_pairs: int = Field(9, ge=1, le=50)
    """Number of pairs of persons in the validation split."""
    test_pairs: int = Field(16, ge=1, le=50)
    """Number of pairs of persons in the test split."""
    min_frames: Annotated[int, Reruns("render_videos")] = Field(24, ge=1, le=1000)
    """Smallest number of frames of a video."""
    max_frames: Annotated[int, Reruns("render_videos")] = Field(32, ge=1, le=1000)
    """Largest number of frames of a video."""
    seed: Annotated[int, Reruns("render_videos")] = Field(0, ge=0, lt=2**31)
    """Seed of the random persons, movements, places, cameras and forgeries."""

    @model_validator(mode="after")
    def _check_values(self) -> "MiniatureConfig":
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"min_frames ({self.min_frames}) is above max_frames "
                f"({self.max_frames}); swap them"
            )
        absent = set(self.compressions) - set(self.written)
        if absent:
            names = ", ".join(sorted(absent))
            raise ValueError(f"compressions: {names} must be in `written` too")
        return self
