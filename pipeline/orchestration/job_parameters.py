"""What the rules ask for: input files, parameters and resources of jobs.

Snakemake calls the methods with a job's wildcards, and by the names of their arguments
with its threads and attempt. Paths begin with the folder of the run's results.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from pipeline.config.baseline_names import ORIGINAL
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.models import ModelConfig
from pipeline.config.protocols import FINISHED, ProtocolConfig
from pipeline.config.report import public_values
from pipeline.config.run import SEED_LIMIT, RunConfig, Training
from pipeline.config.source import SourceConfig
from pipeline.files.atomic import replacing
from pipeline.orchestration.needed_videos import (
    MissingVideosError,
    has_originals,
    has_references,
    message_about,
    missing_kinds,
)
from pipeline.runtime.allocation import extraction_mb
from pipeline.statistics.seeds import stable_number
from pipeline.videos.listing import list_source
from pipeline.videos.protocols import protocol_rows, resolve_protocol
from pipeline.videos.shard_table import files_of
from pipeline.videos.sharding import dataset_of, shard_names
from pipeline.videos.table import SPLITS

MAX_GROWTH = 3  # times what a job asks for at first: no partition has any amount
TRAINING_MB = 16_000  # for each device


class Wildcards(Protocol):
    """A job's wildcards, as attributes: shard, model, protocol, baseline."""

    def __getattr__(self, name: str) -> str: ...


Parameter = Callable[["JobParameters", Wildcards], Any]


def not_a_trigger(function: Parameter) -> Callable[..., Any]:
    """A parameter that makes no job stale when it changes.

    Snakemake leaves a parameter out of what makes a job stale if its function declares
    `threads`. The function's own signature is hidden, so no `functools.wraps` here.
    """

    def parameter(self: "JobParameters", wildcards: Wildcards, threads: int) -> Any:
        return function(self, wildcards)

    parameter.__doc__, parameter.__name__ = function.__doc__, function.__name__
    return parameter


def growing(amount: int) -> Callable[..., int]:
    """A resource that grows with a job's attempts: once, twice, three times `amount`.

    Attempts are counted where Snakemake submits jobs; a run on one machine has one.
    """
    return lambda wildcards, attempt: amount * min(attempt, MAX_GROWTH)


def fingerprint(videos: pd.DataFrame) -> str:
    """Rows of the table of videos as a short text."""
    return hashlib.sha256(videos.to_csv(index=False).encode()).hexdigest()[:16]


def kind_of_source(source: SourceConfig) -> str:
    """Where a source's files are from: `drawn` by us, `fetched` by us, or `on_disk`."""
    if isinstance(source, MiniatureConfig):
        return "drawn"
    return "fetched" if getattr(source, "server", None) else "on_disk"


@dataclass(frozen=True)
class JobParameters:
    """The parameters of all jobs of a run.

    Attributes:
        config: the checked configuration.
        listed: all videos of the sources, with those that are left out.
        published: the table of published metrics.
    """

    config: RunConfig
    listed: pd.DataFrame
    published: Path

    @cached_property
    def videos(self) -> pd.DataFrame:
        """The videos that are used."""
        return self.listed[self.listed["left_out"] == ""]

    @cached_property
    def has_references(self) -> bool:
        """Whether there are real training videos; thousands of jobs ask for it."""
        return has_references(self.videos)

    @cached_property
    def trainings(self) -> dict[str, Training]:
        """The training of each detector, by the wildcard `model`."""
        return {training.name: training for training in self.config.trainings()}

    def model_of(self, wildcards: Wildcards) -> ModelConfig:
        """The section of the model that a detector is a training of."""
        return self.config.models[self.trainings[wildcards.model].model]

    # Names of files.

    def shards(self, *splits: str) -> list[str]:
        """Names of the shards of these splits; of all splits if none is given.

        Without the shards of a source in a split in which it has no video at all.
        """
        filled = set(zip(self.videos["dataset"], self.videos["split"], strict=True))
        return [
            name
            for split in splits or SPLITS
            for name in shard_names(self.config.sources, split)
            if (dataset_of(name), split) in filled
        ]

    def of_each_detector(self, files: Iterable[str] | str) -> list[str]:
        """A rule's files of every detector, model by model."""
        return self._of_detectors(files, self.config.detectors())

    def of_each_training(self, files: Iterable[str] | str) -> list[str]:
        """A rule's files of every detector that is trained, model by model."""
        return self._of_detectors(files, self.config.trained())

    def _of_detectors(
        self, files: Iterable[str] | str, detectors: list[tuple[Training, str]]
    ) -> list[str]:
        files = [files] if isinstance(files, str) else list(files)
        return [
            str(file).replace("{model}", training.name).replace("{protocol}", protocol)
            for file in files
            for training, protocol in detectors
        ]

    def of_each_baseline(self, files: Iterable[str] | str) -> list[str]:
        """A rule's files of every baseline."""
        files = [files] if isinstance(files, str) else list(files)
        return [
            str(file).replace("{baseline}", baseline)
            for file in files
            for baseline in self.config.attribution.baselines
        ]

    def of_each_atlas(self, files: Iterable[str] | str) -> list[str]:
        """A rule's files of every detector from every baseline."""
        return self.of_each_detector(self.of_each_baseline(files))

    def compared_atlases(self, files: Iterable[str]) -> list[str]:
        """A rule's files of every baseline, if there are detectors to compare."""
        several = len(self.config.detectors()) > 1
        return self.of_each_baseline(files) if several else []

    # What must be there, which Snakemake asks for when it plans a job.

    def needed_for(self, asked: str) -> Callable[[Wildcards], list[str]]:
        """An input function that gives no files: it checks what a target or step needs.

        It raises MissingVideosError, which Snakemake shows before it starts any job.
        Snakemake parses all rules before it knows the targets. So a check during
        parsing could not tell which videos are needed.
        """

        def check(wildcards: Wildcards) -> list[str]:
            message = message_about(asked, self.config, self.videos)
            if message:
                raise MissingVideosError(message)
            return []

        return check

    # Sources and shards.

    def rows_of(self, shard: str) -> pd.DataFrame:
        """The used videos of a shard."""
        return self.videos[self.videos["shard"] == shard]

    def kind_of(self, shard: str) -> str:
        """Where a shard's files are from: see `kind_of_source`."""
        name = dataset_of(shard)
        return kind_of_source(self.config.sources.by_name()[name])

    def shards_from(self, *kinds: str) -> str:
        """A pattern of the shards of sources of these kinds; "" if there are none."""
        sources = self.config.sources.by_name().items()
        names = [name for name, s in sources if kind_of_source(s) in kinds]
        return rf"({'|'.join(names)})-({'|'.join(SPLITS)})-\d+" if names else ""

    def drawn_shards(self) -> list[str]:
        """The shards of the miniature corpus that have videos."""
        drawn = self.videos["dataset"] == "miniature"
        return sorted(set(self.videos.loc[drawn, "shard"]))

    def drawn_files(self, shard: str) -> list[str]:
        """All files that the rendering of a shard writes, in every compression."""
        source = self.config.sources.miniature
        assert source is not None
        corpus = source.model_copy(update={"compressions": source.written})
        rows = list_source("miniature", corpus).query("shard == @shard")
        own = rows.assign(subject_mask="")  # other shards draw the others' masks
        return [f"{source.root}/{name}" for name in files_of(own)]

    def shard_files(self, wildcards: Wildcards) -> list[str]:
        """The files that a shard's steps wait for: those drawn, or those on disk.

        Fetched files are not among them: their checksums stand for them.
        """
        return self.awaited(wildcards, files_of(self.rows_of(wildcards.shard)))

    def awaited(self, wildcards: Wildcards, files: Iterable[str]) -> list[str]:
        """Paths that a shard's steps wait for, among these files of its source."""
        kind = self.kind_of(wildcards.shard)
        if kind == "fetched":
            return []
        root = self.data_root(wildcards)
        paths = [f"{root}/{file}" for file in files]
        return [path for path in paths if kind == "drawn" or Path(path).exists()]

    def data_root(self, wildcards: Wildcards) -> str:
        """The folder that the paths of a shard's videos are below."""
        return self.config.sources.by_name()[dataset_of(wildcards.shard)].root

    def shard_fingerprint(self, wildcards: Wildcards) -> str:
        """A shard's rows: real changes of the videos make its steps stale."""
        return self.fingerprint_of(wildcards.shard)

    def fingerprint_of(self, shard: str) -> str:
        """The rows of one shard, for a rule that has no wildcard."""
        return fingerprint(self.rows_of(shard))

    def index_fingerprint(self) -> str:
        """All rows of all sources."""
        return fingerprint(self.listed)

    @not_a_trigger
    def source_config(self, wildcards: Wildcards) -> str:
        """JSON of the `sources` section with a shard's source alone.

        `shard_fingerprint` covers the changes that matter.
        """
        return self.config.sources.only(dataset_of(wildcards.shard))

    @not_a_trigger
    def all_sources(self, wildcards: Wildcards) -> str:
        """JSON of the `sources` section; `index_fingerprint` covers its changes."""
        return self.config.sources.model_dump_json()

    @not_a_trigger
    def drawing_source(self, wildcards: Wildcards) -> str:
        """JSON of the `sources` section with the miniature corpus alone.

        `fingerprint_of`, `drawing_config` and the paths of the outputs cover it.
        """
        return self.config.sources.only("miniature")

    def drawing_config(self, wildcards: Wildcards) -> str:
        """JSON of how the miniature corpus is drawn, whoever is in it."""
        assert self.config.sources.miniature is not None
        return self.config.sources.miniature.json_for("render_videos")

    @not_a_trigger
    def fetch_config(self, wildcards: Wildcards) -> str:
        """JSON of the `fetch` section: it does not change what a file is."""
        return self.config.fetch.model_dump_json()

    # Faces.

    @not_a_trigger
    def faces_config(self, wildcards: Wildcards) -> str:
        """JSON of the `faces` section, with the file of the face detector's weights.

        `crop_settings` and `original_settings` cover the changes that matter.
        """
        weights = self.face_detector_weights() or None
        faces = self.config.faces.model_copy(update={"retinaface_weights": weights})
        return faces.model_dump_json()

    def crop_settings(self, wildcards: Wildcards) -> str:
        """The keys of the `faces` section that crops depend on."""
        return self.config.faces.json_for("extract_faces")

    def original_settings(self, wildcards: Wildcards) -> str:
        """The keys of the `faces` section that originals depend on."""
        return self.config.faces.json_for("align_originals")

    def face_detector_weights(self) -> str | list[str]:
        """The file of RetinaFace's weights: the user's, or a fetched one."""
        if self.config.faces.detector != "retinaface":
            return []
        fetched = f"{self.config.results}/faces/weights/retinaface.pth"
        return self.config.faces.retinaface_weights or fetched

    @not_a_trigger
    def face_detector_addresses(self, wildcards: Wildcards) -> str:
        """JSON list of addresses of RetinaFace's weights; empty: the package's own."""
        return json.dumps([a for a in [self.config.faces.retinaface_address] if a])

    def extraction_gpus(self) -> int:
        """GPUs of an extraction job.

        CenterFace uses a GPU if there is one, but does not ask for it: decoding on the
        cores takes most of the time, and its share of a GPU is small.
        """
        return int(self.config.faces.detector == "retinaface")

    def extraction_memory(
        self, wildcards: Wildcards, threads: int, attempt: int
    ) -> int:
        """MB of an extraction job."""
        least = extraction_mb(self.config.faces.detector, threads)
        return least * min(attempt, MAX_GROWTH)

    # Models.

    def model_config(self, wildcards: Wildcards) -> str:
        """JSON of a model's section, with the file that its weights are fetched to."""
        given = self.weights_file(wildcards) or False
        config = self.model_of(wildcards).model_copy(update={"pretrained": given})
        return config.json_for("train_model")

    def training_seed(self, wildcards: Wildcards) -> int:
        """The seed of a training: the first one of a model has the seed of the run.

        Seeds of the others are from SEED_LIMIT to twice that, where no run's seed is.
        """
        number, seed = self.trainings[wildcards.model].number, self.config.seed
        if number == 1:
            return seed
        return SEED_LIMIT + stable_number(f"{seed} training {number}") % SEED_LIMIT

    def detector_file(self, wildcards: Wildcards) -> str:
        """The weights of a detector: the user's finished file, or those of training."""
        training = self.trainings[wildcards.model]
        return self._weights_of(training, wildcards.protocol)

    def _weights_of(self, training: Training, protocol: str) -> str:
        folder = f"{self.config.results}/models/{training.name}/{protocol}"
        given = self.config.models[training.model].weights
        return given or f"{folder}/weights.safetensors"

    def history_file(self, wildcards: Wildcards) -> str | list[str]:
        """The training history of a detector; a finished detector has none."""
        if self.model_of(wildcards).finished:
            return []
        folder = f"{self.config.results}/models/{wildcards.model}/{wildcards.protocol}"
        return f"{folder}/history.csv"

    def finished_files(self) -> list[str]:
        """The files of all finished detectors."""
        return [m.weights for m in self.config.models.values() if m.weights is not None]

    def trained_models(self) -> str:
        """A pattern of the wildcard `model` of trained detectors, or of nothing."""
        names = dict.fromkeys(training.name for training, _ in self.config.trained())
        return "|".join(names) or "(?!)"

    def weights_file(self, wildcards: Wildcards) -> str | list[str]:
        """The weights that training starts from: the user's file, or a fetched one."""
        config = self.model_of(wildcards)
        if config.pretrained is True:
            return f"{self.config.results}/models/weights/{config.timm}.safetensors"
        return config.pretrained or []

    def training_state(self, wildcards: Wildcards) -> str:
        """Where an interrupted training is kept. As an output it would be removed."""
        folder = f"{self.config.results}/models/{wildcards.model}/{wildcards.protocol}"
        return f"{folder}/state.pt"

    def protocol_config(self, wildcards: Wildcards) -> str:
        """JSON of a protocol by the names of what it trains on.

        For finished detectors it uses all videos.
        """
        if wildcards.protocol == FINISHED:
            return ProtocolConfig().model_dump_json()
        protocol = self.config.protocols[wildcards.protocol]
        return json.dumps(resolve_protocol(self.videos, protocol))

    def for_each_device(self, amount: int) -> Callable[..., int]:
        """A resource that grows with the number of GPUs that a model is trained on."""
        return lambda wildcards: amount * self.model_of(wildcards).devices

    def training_memory(self, wildcards: Wildcards, attempt: int) -> int:
        """MB of a training job. Attempts after the second are for more time alone."""
        return min(attempt, 2) * self.for_each_device(TRAINING_MB)(wildcards)

    # Metrics.

    def evaluation_config(self, wildcards: Wildcards) -> str:
        """JSON of the `evaluation` section."""
        return self.config.evaluation.model_dump_json()

    def detectors(self, wildcards: Wildcards) -> str:
        """JSON: the names of each detector, in `of_each_detector`'s order.

        They are the keys `model` and `protocol`, as in the wildcards. `trained_model`
        is the model's name in the configuration: detectors of the same `trained_model`
        and protocol differ only in the random numbers of their trainings.
        """
        names = [
            {"model": t.name, "protocol": protocol, "trained_model": t.model}
            for t, protocol in self.config.detectors()
        ]
        return json.dumps(names)

    def trained_runs(self, wildcards: Wildcards) -> str:
        """JSON: what each trained detector is and was trained on, for comparisons."""
        runs = []
        for training, protocol in self.config.trained():
            model = self.config.models[training.model]
            run = {
                "model": training.name,
                "protocol": protocol,
                "network": model.timm,
                "face_detector": self.config.faces.detector,
                "trained_here": model.epochs > 0 and not model.shuffle_labels,
                "train_videos": self.official_videos(protocol),
                **resolve_protocol(self.videos, self.config.protocols[protocol]),
            }
            runs.append(run)
        return json.dumps(runs)

    def finished_detectors(self, wildcards: Wildcards) -> str:
        """JSON: the name and the file of each finished detector."""
        models = self.config.models.items()
        return json.dumps({name: m.weights for name, m in models if m.finished})

    def validation_shards(self) -> list[str]:
        """The shards of val, if it has the real and fake videos that thresholds need.

        Trained detectors always need them (see `needed_for`).
        """
        return [] if missing_kinds(self.videos, "val") else self.shards("val")

    def official_videos(self, protocol: str) -> int:
        """How many real videos of FaceForensics++'s official split are trained on."""
        source = self.config.sources.faceforensics
        if source is None or not source.official_splits:
            return 0
        trained = (self.videos["split"] == "train") & (self.videos["label"] == 0)
        rows = self.videos[trained]
        rows = rows[protocol_rows(rows, self.config.protocols[protocol])]
        return rows.loc[rows["dataset"] == "faceforensics", "target"].nunique()

    @not_a_trigger
    def published_file(self, wildcards: Wildcards) -> str:
        """The table of published metrics; its checksum covers its changes."""
        return str(self.published)

    # Attributions and atlases.

    def attribution_config(self, wildcards: Wildcards) -> str:
        """JSON of the keys that the maps from a baseline depend on."""
        baseline = wildcards.baseline
        return self.config.attribution.json_for("attribute_frames", baseline=baseline)

    @not_a_trigger
    def control_config(self, wildcards: Wildcards) -> str:
        """JSON of the `attribution` section. The maps, which controls read, cover the
        changes that matter."""
        return self.config.attribution.model_dump_json()

    def control_shards(self) -> list[str]:
        """The test shards on which controls are measured."""
        return self.shards("test") if self.config.attribution.control_frames else []

    def with_interventions(self, files: Iterable[str]) -> list[str]:
        """A rule's files of every detector, if interventions are measured."""
        known = self.shards_with_originals() and self.control_shards()
        return self.of_each_detector(files) if known else []

    def control_references(self, wildcards: Wildcards) -> str | list[str]:
        """The references of a protocol, if a baseline is made from them."""
        if "mean_face" not in self.config.attribution.baselines:
            return []
        return self.references_file(wildcards)

    def control_faces(self, wildcards: Wildcards) -> str | list[str]:
        """The file of real validation faces, if a baseline is made from them."""
        file = f"{self.config.results}/attributions/real_faces.h5"
        return file if "nearest_real" in self.config.attribution.baselines else []

    def control_originals(self, wildcards: Wildcards) -> str | list[str]:
        """The file of a shard's originals, if the original of a test fake is known."""
        file = f"{self.config.results}/attributions/originals/{wildcards.shard}.h5"
        return file if self.shards_with_originals() else []

    def atlases_config(self, step: str) -> Callable[[Wildcards], str]:
        """JSON of the keys of the `atlases` section that a step depends on."""
        return lambda wildcards: self.config.atlases.json_for(step)

    def references_file(self, wildcards: Wildcards) -> str | list[str]:
        """The references of a protocol; none if there are no real training videos."""
        folder = f"{self.config.results}/attributions/references"
        return f"{folder}/{wildcards.protocol}.h5" if self.has_references else []

    def baseline_references(self, wildcards: Wildcards) -> str | list[str]:
        """The references of a protocol, if the maps start from them."""
        if wildcards.baseline != "mean_face":
            return []
        if not self.has_references:
            self.needed_for("collect_references")(wildcards)  # raises
        return self.references_file(wildcards)

    def baseline_faces(self, wildcards: Wildcards) -> str | list[str]:
        """The file of real validation faces, if the maps start from them."""
        file = f"{self.config.results}/attributions/real_faces.h5"
        return file if wildcards.baseline == "nearest_real" else []

    def baseline_originals(self, wildcards: Wildcards) -> str | list[str]:
        """The file of a shard's originals, if the maps start from them."""
        if wildcards.baseline != ORIGINAL:
            return []
        return f"{self.config.results}/attributions/originals/{wildcards.shard}.h5"

    def shards_with_originals(self) -> list[str]:
        """The test shards, if the original of a test fake is known."""
        return self.shards("test") if has_originals(self.videos) else []

    def summary_of_originals(self, files: Iterable[str]) -> list[str]:
        """The table of originals, if the original of a test fake is known."""
        return list(files) if self.shards_with_originals() else []

    def originals_of(self, shard: str) -> pd.DataFrame:
        """The rows of the originals of a shard's fakes, from any shard."""
        wanted = self.rows_of(shard)["original"]
        return self.videos[self.videos["video"].isin(wanted)].sort_values("video")

    def original_tables(self, wildcards: Wildcards) -> list[str]:
        """The tables of the originals' shards and of the fakes' own shard."""
        shards = {wildcards.shard, *self.originals_of(wildcards.shard)["shard"]}
        return [f"{self.config.results}/videos/{shard}.csv" for shard in sorted(shards)]

    def original_files(self, wildcards: Wildcards) -> list[str]:
        """What the alignment of originals waits for: checksums, and files on disk."""
        rows = self.originals_of(wildcards.shard)
        sums = [
            f"{self.config.results}/videos/{shard}.sha256"
            for shard in sorted(set(rows["shard"]))
        ]
        return sums + self.awaited(wildcards, rows["path"])

    # The report.

    def run_description(self) -> str:
        """JSON of what the report must know of the run: see `RunDescription`."""
        detectors = [
            {
                "model": training.name,
                "protocol": protocol,
                "weights": self._weights_of(training, protocol),
            }
            for training, protocol in self.config.detectors()
        ]
        described = {
            "config": public_values(self.config.model_dump(mode="json")),
            "detectors": detectors,
            "shards": {split: self.shards(split) for split in SPLITS},
            "has_originals": bool(self.shards_with_originals()),
            "has_labels": not missing_kinds(self.videos, "test"),
            "has_thresholds": bool(self.validation_shards()),
        }
        return json.dumps(described)

    def description_file(self, wildcards: Wildcards | None = None) -> str:
        """The file that a run writes `run_description` to when it starts.

        Its name changes with its content. As a parameter it makes the report stale, and
        Snakemake's messages stay short.
        """
        digest = hashlib.sha256(self.run_description().encode()).hexdigest()[:16]
        return f".snakemake/run-{digest}.json"

    def write_description(self) -> None:
        """Write the description of the run."""
        with replacing(self.description_file()) as part:
            part.write_text(self.run_description(), encoding="utf-8")

    def compared_run(self) -> list[str]:
        """The report of the run that the report compares this one with."""
        folder = self.config.report.compare_with
        return [f"{folder}/report/index.html"] if folder else []
