"""The miniature corpus in the `sources` section."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Folder, Reruns
from pipeline.config.source import SourceConfig

MiniatureMethod = Literal["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]
ALL_METHODS: list[MiniatureMethod] = [
    "Deepfakes",
    "Face2Face",
    "FaceSwap",
    "NeuralTextures",
]


class MiniatureConfig(SourceConfig):
    """The drawn corpus."""

    root: Folder = "data/miniature"
    """Folder that it is written to."""
    methods: list[MiniatureMethod] = Field(ALL_METHODS, min_length=1)
    """Manipulation methods to use."""
    compressions: list[Literal["c23", "c40"]] = Field(["c23"], min_length=1)
    """Compressions to use; a protocol may train on some of them alone."""
    written: Annotated[list[Literal["c23", "c40"]], Reruns("render_videos")] = Field(
        ["c23", "c40"], min_length=1
    )
    """Compressions to write every video in (H.264 with CRF 23 or 40)."""
    train_pairs: int = Field(15, ge=1, le=400)
    """Pairs of persons to train on; a pair is 2 real videos and 2 fakes a method."""
    val_pairs: int = Field(3, ge=1, le=50)
    """Pairs of persons to choose the epoch on."""
    test_pairs: int = Field(6, ge=1, le=50)
    """Pairs of persons to test on."""
    min_frames: Annotated[int, Reruns("render_videos")] = Field(32, ge=1, le=1000)
    """Frames of the shortest videos."""
    max_frames: Annotated[int, Reruns("render_videos")] = Field(44, ge=1, le=1000)
    """Frames of the longest videos."""
    seed: Annotated[int, Reruns("render_videos")] = Field(0, ge=0, lt=2**31)
    """Seed of every person, movement and place."""

    @model_validator(mode="after")
    def _possible(self) -> "MiniatureConfig":
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"min_frames ({self.min_frames}) is above max_frames "
                f"({self.max_frames}); swap them"
            )
        absent = set(self.compressions) - set(self.written)
        if absent:
            raise ValueError(f"compressions: {', '.join(absent)} not in `written`")
        return self
