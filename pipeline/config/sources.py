"""The `sources` section: the data sets, where their videos are, and their shards.

A source that has a section is used. Its name is the name of the data set in all tables.
"""

import json
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pipeline.config.miniature import ALL_METHODS, MiniatureConfig
from pipeline.config.section import Folder, Name, Reruns, Section
from pipeline.config.source import SourceConfig

Method = Literal["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"]


class ServedConfig(SourceConfig):
    """A source whose files can be downloaded from the authors' server."""

    root: Folder = "data/FaceForensics++"
    """Folder that contains `original_sequences` and `manipulated_sequences`. Downloads
    are written here."""
    server: str | None = None
    """Address of the authors' server, which the authors send to you with their
    permission. Files that are not in `root` are downloaded from there. null: all files
    are in `root`, and a file that changes there is noticed. Keep the address after the
    download is complete: switching between an address and null makes all steps run
    again."""
    agree_to_terms: Annotated[bool, Reruns()] = False
    """Whether you have agreed to the authors' terms of use. Downloads need `true`."""
    compressions: list[Literal["raw", "c23", "c40"]] = Field(["c23"], min_length=1)
    """Compressions to use. A protocol may train on only some of them."""
    masks: bool = True
    """Whether to use the videos of manipulation masks. Attributions are compared with
    them. Among several faces they show which one is forged, also which one of a real
    video was forged in its fakes."""
    videos: int | None = Field(None, ge=2)
    """Number of real videos of each split to use, with the fakes made from them. Pairs
    stay complete. null uses all videos."""

    @property
    def address(self) -> str:
        """Address of the data set's folder on the server."""
        assert self.server is not None
        return f"{self.server.rstrip('/')}/v3"

    @model_validator(mode="after")
    def _check_server(self) -> "ServedConfig":
        if self.server is None:
            return self
        if urlsplit(self.server).scheme not in ("http", "https"):
            raise ValueError(
                f"server must begin with http:// or https://: {ACCESS_HINT}"
            )
        if not self.agree_to_terms:
            raise ValueError(
                "nothing is downloaded before you set agree_to_terms: true. "
                f"{ACCESS_HINT}"
            )
        return self


ACCESS_HINT = (
    "Only the authors can give access to the data: ask for access with the form at "
    "github.com/ondyari/FaceForensics; their answer has the terms of use and a script "
    "that contains the server's address"
)


class FaceForensicsConfig(ServedConfig):
    """The data set FaceForensics++ (Roessler et al. 2019)."""

    splits: str | None = None
    """Where the authors' `train.json`, `val.json` and `test.json` are: a folder, or the
    http(s) address of a folder. From an address they are downloaded once into `splits`
    in `root`. null: they are already in `splits` in `root`."""
    official_splits: bool = True
    """Whether to refuse split files that differ from the authors' files in any byte."""
    leaks: Literal["keep", "drop"] = "keep"
    """Seven YouTube videos have one sequence in the training split and one in another
    official split (see `videos/leaks.csv`). `keep`: use all sequences. `drop`: leave
    out the sequence in the training split and its fakes. The official validation and
    test splits stay complete."""
    methods: list[Method] = Field([*ALL_METHODS], min_length=1)
    """Manipulation methods to use. DeepFakeDetection is a separate source."""


class DeepFakeDetectionConfig(ServedConfig):
    """Google's and Jigsaw's DeepFakeDetection, distributed with FaceForensics++."""

    names: str | None = None
    """The authors' file `deepfake_detection_filenames.json`. null: it is downloaded
    from the server. Without a server, all videos in the folders are used."""


class CelebDFConfig(SourceConfig):
    """The data set Celeb-DF, version 2 (Li et al. 2020)."""

    root: Folder = "data/Celeb-DF-v2"
    """Folder that contains `Celeb-real`, `YouTube-real`, `Celeb-synthesis` and
    `List_of_testing_videos.txt`."""
    use: Literal["all", "test"] = "test"
    """`test`: use only the listed testing videos. `all`: also use the other videos, for
    training and validation. These show some people of the testing videos (see
    `videos/leaks.csv`)."""
    videos: int | None = Field(None, ge=1)
    """Number of real videos of each split to use, and of fakes. null uses all."""


class DFDCConfig(SourceConfig):
    """The data set of the Deepfake Detection Challenge."""

    root: Folder = "data/dfdc"
    """Folder whose subfolders each contain a `metadata.json`. It may also be one such
    subfolder."""
    use: Literal["all", "test"] = "test"
    """`test`: use all clips for the test. `all`: put each folder into one split,
    because its clips show the same people. This needs at least three folders."""
    videos: int | None = Field(None, ge=1)
    """Number of real videos of each split to use, with the fakes made from them. null
    uses all."""


class FolderConfig(SourceConfig):
    """Your own clips."""

    root: Folder
    """Folder of the clips. All paths are relative to this folder."""
    table: str | None = None
    """CSV file that lists the clips. It needs the columns `path` and `label` (`real`,
    `fake`, or empty if it is unknown). It may have the columns `split`, `method`,
    `compression`, `target`, `source`, `mask` and `sha256`. null: the clips are in the
    folders `real` and `fake` (or `fake/<method>`) in `root`. If there are no such
    folders, all clips below `root` are unlabelled."""


class SourcesConfig(Section):
    """The data sets of a run. Every data set that has a section here is used."""

    miniature: MiniatureConfig | None = None
    """The miniature corpus: drawn faces and drawn forgeries, rendered during the run.
    It is test data. Results on it say nothing about real deepfakes."""
    faceforensics: FaceForensicsConfig | None = None
    """FaceForensics++, in the authors' folders or from their server."""
    deepfakedetection: DeepFakeDetectionConfig | None = None
    """DeepFakeDetection, in the folders of FaceForensics++. It has no official split.
    Actors 01 to 18 are used for training, 19 to 22 for validation, 23 to 28 for the
    test. A fake is left out if its two actors are in different splits. With
    `use: test`, all videos are used for the test."""
    celebdf: CelebDFConfig | None = None
    """Celeb-DF (version 2), in the authors' folders."""
    dfdc: DFDCConfig | None = None
    """The data set of the Deepfake Detection Challenge, in the authors' folders."""
    folders: dict[Name, FolderConfig] = {}
    """Your own clips. Each set of clips has a name of your choice."""

    @model_validator(mode="after")
    def _check_names(self) -> "SourcesConfig":
        fixed = [name for name in type(self).model_fields if name != "folders"]
        for name in [*fixed, "all"]:
            if name in self.folders:
                raise ValueError(f"folders: the name {name!r} has another meaning")
        if not self.by_name():
            raise ValueError(f"name at least one of {', '.join(fixed)}, folders")
        return self

    def only(self, name: str) -> str:
        """JSON of this section with only one source, as a parameter for a step."""
        source = self.by_name()[name].model_dump()
        section = (
            {"folders": {name: source}} if name in self.folders else {name: source}
        )
        return json.dumps(section)

    def by_name(self) -> dict[str, SourceConfig]:
        """The sources that are used. The keys are the names of their data sets."""
        fixed = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name != "folders" and getattr(self, name) is not None
        }
        return {**fixed, **self.folders}
