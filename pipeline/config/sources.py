"""The `sources` section: which data sets, from where, and how they are cut into shards.

A source that is there is used. Its name is the data set's name in every table.
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
    """A source that the authors' server can be asked for."""

    root: Folder = "data/FaceForensics++"
    """Folder of the data: the one that holds `original_sequences` and
    `manipulated_sequences`. What is fetched is written here."""
    server: str | None = None
    """Address of the authors' server, which they send to those whom they give access:
    what is not in `root` is fetched from there. null: everything is in `root`, and a
    file that changes there is noticed. Leave it when all has come: a change from one to
    the other makes all steps run again."""
    agree_to_terms: Annotated[bool, Reruns()] = False
    """Whether you have agreed to the authors' terms of use; needed to fetch."""
    compressions: list[Literal["raw", "c23", "c40"]] = Field(["c23"], min_length=1)
    """Compressions to use; a protocol may train on some of them alone."""
    masks: bool = True
    """Whether to use the videos of manipulation masks: explanations are scored with
    them, and of several faces the forged one is told by them."""
    videos: int | None = Field(None, ge=2)
    """Use only so many real videos of each split, and the fakes made of them (whole
    pairs); null uses all."""

    @property
    def address(self) -> str:
        """Where the data set's folder is on the server, as the authors lay it out."""
        assert self.server is not None
        return f"{self.server.rstrip('/')}/v3"

    @model_validator(mode="after")
    def _may_fetch(self) -> "ServedConfig":
        if self.server is None:
            return self
        if urlsplit(self.server).scheme not in ("http", "https"):
            raise ValueError(f"server must begin with http:// or https://: {ASK}")
        if not self.agree_to_terms:
            raise ValueError(
                f"nothing is fetched before you set agree_to_terms: true. {ASK}"
            )
        return self


ASK = (
    "The data is the authors' to give: ask for access with the form that "
    "github.com/ondyari/FaceForensics names; they answer with their terms, and with a "
    "script that has the server's address in it"
)


class FaceForensicsConfig(ServedConfig):
    """FaceForensics++."""

    splits: str | None = None
    """The authors' `train.json`, `val.json` and `test.json`: a folder, or an http(s)
    address that ends in one, from which they are fetched once into `splits` in
    `root`. null: they are in `splits` in `root`."""
    official_splits: bool = True
    """Refuse split files that are not the authors' to the byte."""
    leaks: Literal["keep", "drop"] = "keep"
    """Seven YouTube videos gave sequences to two official splits, training and another
    (see `videos/leaks.csv`). `drop`: leave out the sequence in training, and its fakes:
    training is the larger, and the official tests stay whole."""
    methods: list[Method] = Field(ALL_METHODS, min_length=1)
    """Manipulation methods to use. DeepFakeDetection is a source of its own."""


class DeepFakeDetectionConfig(ServedConfig):
    """Google's and Jigsaw's DeepFakeDetection, which comes with FaceForensics++."""

    names: str | None = None
    """The authors' `deepfake_detection_filenames.json`. null: it is fetched from the
    server; without a server, the videos are those in the folders."""


class CelebDFConfig(SourceConfig):
    """Celeb-DF, version 2."""

    root: Folder = "data/Celeb-DF-v2"
    """Folder with `Celeb-real`, `YouTube-real`, `Celeb-synthesis` and
    `List_of_testing_videos.txt`."""
    use: Literal["all", "test"] = "test"
    """`test`: the listed testing videos. `all`: trains on the others too; the people
    of the listed ones are among them (see `videos/leaks.csv`)."""
    videos: int | None = Field(None, ge=1)
    """Use only so many real videos of each split, and as many fakes."""


class DFDCConfig(SourceConfig):
    """The Deepfake Detection Challenge's data set."""

    root: Folder = "data/dfdc"
    """Folder with folders that hold a `metadata.json` each, or one such folder."""
    use: Literal["all", "test"] = "test"
    """`test`: everything is tested on. `all`: each folder goes to one split as a
    whole, since its clips show the same people; needs three folders."""
    videos: int | None = Field(None, ge=1)
    """Use only so many real videos of each split, and the fakes made of them."""


class FolderConfig(SourceConfig):
    """Clips of your own."""

    root: Folder
    """Folder that all paths are below."""
    table: str | None = None
    """CSV that lists the clips: columns `path` and `label` (real or fake), and, if you
    have them, `split`, `method`, `compression`, `target`, `source`, `mask`, `sha256`.
    null: they are in the folders `real` and `fake`, or `fake/<method>`, in `root`."""


class SourcesConfig(Section):
    """The data sets of a run; those that are there are used."""

    miniature: MiniatureConfig | None = None
    """Drawn faces and drawn forgeries, rendered on the spot: test data, and no evidence
    about real deepfakes."""
    faceforensics: FaceForensicsConfig | None = None
    """FaceForensics++, in its own folders or from the authors' server."""
    deepfakedetection: DeepFakeDetectionConfig | None = None
    """DeepFakeDetection, in FaceForensics++'s folders. It has no official split: actors
    01 to 18 train, 19 to 22 validate, 23 to 28 test; a fake whose two actors are in
    different splits is left out, unless all is for testing."""
    celebdf: CelebDFConfig | None = None
    """Celeb-DF (version 2), in its own folders."""
    dfdc: DFDCConfig | None = None
    """The Deepfake Detection Challenge's data set, in its own folders."""
    folders: dict[Name, FolderConfig] = {}
    """Clips of your own, by a name of your choice."""

    @model_validator(mode="after")
    def _some_with_names_apart(self) -> "SourcesConfig":
        fixed = [name for name in type(self).model_fields if name != "folders"]
        for name in [*fixed, "all"]:
            if name in self.folders:
                raise ValueError(f"folders: the name {name!r} has another meaning")
        if not self.by_name():
            raise ValueError(f"name at least one of {', '.join(fixed)}, folders")
        return self

    def only(self, name: str) -> str:
        """JSON of this section with a single source: all that a step needs to see."""
        source = self.by_name()[name].model_dump()
        one = {"folders": {name: source}} if name in self.folders else {name: source}
        return json.dumps(one)

    def by_name(self) -> dict[str, SourceConfig]:
        """The sources that are used, by the names of their data sets."""
        fixed = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name != "folders" and getattr(self, name) is not None
        }
        return {**fixed, **self.folders}
