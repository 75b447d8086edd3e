"""Files, parameters and resources of jobs, and which key changes which parameter."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from pydantic import BaseModel, ValidationError

from pipeline.config.atlases import AtlasesConfig
from pipeline.config.attribution import AttributionConfig
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.faces import FacesConfig
from pipeline.config.fetch import FetchConfig
from pipeline.config.miniature import MiniatureConfig
from pipeline.config.models import ModelConfig
from pipeline.config.protocols import ProtocolConfig
from pipeline.config.report import ReportConfig, public_values
from pipeline.config.run import RunConfig
from pipeline.config.source import ShardsConfig, SourceConfig
from pipeline.config.sources import FaceForensicsConfig, FolderConfig, SourcesConfig
from pipeline.orchestration.job_parameters import (
    MAX_GROWTH,
    JobParameters,
    fingerprint,
    growing,
    kind_of_source,
)
from pipeline.orchestration.needed_videos import TARGET_NEEDS, MissingVideosError
from pipeline.runtime.allocation import extraction_mb
from pipeline.videos.listing import list_videos
from pipeline.videos.sharding import assign_shards
from pipeline.videos.table import UNLABELLED, VideoRow, video_table
from tests.support.runs import merged

PUBLISHED = Path("published.csv")
BASE = {
    "results": "out",
    "sources": {
        "miniature": {
            "root": "drawn",
            "shards": {"train": 1, "val": 1, "test": 2},
            "train_pairs": 1,
            "val_pairs": 1,
            "test_pairs": 2,
            "compressions": ["c23", "c40"],
        }
    },
    "models": {
        "small": {"timm": "test_resnet", "batch_size": 8},
        "other": {"timm": "test_vit", "batch_size": 8},
    },
    "protocols": {"all": {}, "unseen": {"leave_out": ["Face2Face"]}},
    "attribution": {"baselines": ["black", "noise"]},
}


def make_jobs(changes: dict | None = None) -> JobParameters:
    """The parameters of a run of the base configuration with some changes."""
    config = RunConfig.model_validate(merged(BASE, changes or {}))
    return JobParameters(config, list_videos(config.sources), PUBLISHED)


@dataclass
class Names:
    """Wildcards of a job."""

    shard: str = "miniature-test-000"
    model: str = "small"
    protocol: str = "all"
    baseline: str = "black"


@pytest.fixture(scope="module")
def jobs() -> JobParameters:
    return make_jobs()


# Names of files.


def test_shards_are_those_of_the_sources_and_splits(jobs):
    test = ["miniature-test-000", "miniature-test-001"]
    assert jobs.shards("test") == test
    assert jobs.shards("train", "test") == ["miniature-train-000", *test]
    assert jobs.shards() == ["miniature-train-000", "miniature-val-000", *test]
    assert set(jobs.videos["shard"]) <= set(jobs.shards())


def test_files_of_each_detector_are_in_the_order_of_the_detectors(jobs):
    found = jobs.of_each_detector("{model}/{protocol}/a.csv")
    assert found == [
        *("small/all/a.csv", "small/unseen/a.csv"),
        *("other/all/a.csv", "other/unseen/a.csv"),
    ]
    names = [f"{d['model']}/{d['protocol']}" for d in json.loads(jobs.detectors(None))]
    assert found == [f"{name}/a.csv" for name in names]


def test_each_training_of_a_model_is_a_detector():
    once = {"timm": "test_resnet", "pretrained": "own.pth", "epochs": 0}
    models = {"kept": once, "given": {"weights": "w.safetensors"}}
    jobs = make_jobs({"seeds": 3, "models": models})
    trained = [
        *("small", "small-training2", "small-training3"),
        *("other", "other-training2", "other-training3"),
        "kept",
    ]
    files = [f"{name}/{protocol}" for name in trained for protocol in ("all", "unseen")]
    assert jobs.of_each_training("{model}/{protocol}") == files
    assert jobs.of_each_detector("{model}/{protocol}") == [*files, "given/finished"]
    assert jobs.trained_models() == "|".join(trained)
    detectors = json.loads(jobs.detectors(None))
    assert [f"{d['model']}/{d['protocol']}" for d in detectors] == [
        *(*files, "given/finished"),
    ]
    assert [d["trained_model"] for d in detectors] == [
        *(["small"] * 6 + ["other"] * 6 + ["kept"] * 2 + ["given"]),
    ]


def test_trainings_of_a_model_differ_in_their_seed_alone():
    jobs = make_jobs({"seed": 7, "seeds": 20, "models": {"small": {"devices": 2}}})
    first, second = Names(), Names(model="small-training2")
    for read in (jobs.model_config, jobs.protocol_config, jobs.for_each_device(8)):
        assert read(first) == read(second)
    assert jobs.training_state(second) == "out/models/small-training2/all/state.pt"
    names = [training.name for training in jobs.config.trainings()]
    seeds = [jobs.training_seed(Names(model=name)) for name in names]
    assert seeds[:20] == seeds[20:]  # of both models
    assert len(set(seeds)) == 20
    assert seeds[0] == 7
    # No run can have such a seed, which would repeat the training.
    with pytest.raises(ValidationError):
        make_jobs({"seed": min(seeds[1:20])})
    assert max(seeds) < 2**32


def test_files_of_each_atlas_have_all_baselines(jobs):
    file = "{model}/{protocol}/{baseline}.png"
    found = jobs.of_each_atlas([file])
    assert len(found) == len(set(found)) == 2 * 2 * 2
    assert "other/unseen/noise.png" in found
    assert jobs.of_each_baseline("{baseline}-{shard}") == [
        *("black-{shard}", "noise-{shard}"),
    ]


def test_atlases_are_compared_only_if_there_are_several_detectors(jobs):
    assert jobs.compared_atlases(["{baseline}.csv"]) == ["black.csv", "noise.csv"]
    config = jobs.config.model_copy(
        update={
            "models": {"small": jobs.config.models["small"]},
            "protocols": {"all": ProtocolConfig()},
        }
    )
    alone = JobParameters(config, jobs.listed, PUBLISHED)
    assert alone.compared_atlases(["{baseline}.csv"]) == []


def test_videos_that_are_left_out_are_not_used(jobs):
    listed = jobs.listed.copy()
    listed.loc[0, ["left_out", "split", "shard"]] = ["a leak", "", ""]
    fewer = JobParameters(jobs.config, listed, PUBLISHED)
    assert len(fewer.videos) == len(jobs.videos) - 1
    assert fewer.index_fingerprint() != jobs.index_fingerprint()


# Sources and shards.


def three_sources(folder: Path) -> JobParameters:
    """A drawn, a fetched and a local source with videos of the same names."""
    jobs = make_jobs({"sources": {"miniature": {"root": str(folder / "drawn")}}})
    served = FaceForensicsConfig(
        root=str(folder / "fetched"), server="https://a.example", agree_to_terms=True
    )
    local = FolderConfig(root=str(folder / "local"))
    sources = SourcesConfig(
        miniature=jobs.config.sources.miniature,
        faceforensics=served,
        folders={"mine": local},
    )
    tables = [jobs.listed]
    for name in ("faceforensics", "mine"):
        table = jobs.listed.assign(dataset=name)
        for column in ("video", "shard", "original"):
            table[column] = table[column].str.replace("miniature", name, regex=False)
        tables.append(table)
    config = jobs.config.model_copy(update={"sources": sources})
    return JobParameters(config, pd.concat(tables, ignore_index=True), PUBLISHED)


def test_kinds_of_sources(tmp_path):
    served = {"server": "https://a.example", "agree_to_terms": True}
    assert kind_of_source(MiniatureConfig()) == "drawn"
    assert kind_of_source(FaceForensicsConfig(**served)) == "fetched"
    assert kind_of_source(FaceForensicsConfig()) == "on_disk"
    assert kind_of_source(FolderConfig(root="a")) == "on_disk"
    jobs = three_sources(tmp_path)
    kinds = {"miniature": "drawn", "faceforensics": "fetched", "mine": "on_disk"}
    for name, kind in kinds.items():
        assert jobs.kind_of(f"{name}-test-000") == kind


def test_patterns_of_shards_match_the_sources_of_these_kinds(tmp_path):
    jobs = three_sources(tmp_path)
    assert jobs.shards_from("fetched") == r"(faceforensics)-(train|val|test)-\d+"
    assert jobs.shards_from("drawn", "on_disk").startswith("(miniature|mine)-")
    assert make_jobs().shards_from("fetched") == ""


def test_a_shards_steps_wait_for_drawn_files_and_for_files_on_disk(tmp_path):
    jobs = three_sources(tmp_path)
    drawn = jobs.shard_files(Names("miniature-test-000"))
    rows = jobs.rows_of("miniature-test-000")
    paths = {*rows["path"], *rows["mask"], *rows["subject_mask"]} - {""}
    assert set(drawn) == {f"{tmp_path}/drawn/{path}" for path in paths}
    # Checksums represent fetched files, and missing files are not waited for.
    assert jobs.shard_files(Names("faceforensics-test-000")) == []
    assert jobs.shard_files(Names("mine-test-000")) == []
    present = tmp_path / "local" / sorted(paths)[0]
    present.parent.mkdir(parents=True)
    present.touch()
    assert jobs.shard_files(Names("mine-test-000")) == [str(present)]


def test_drawn_files_are_in_all_written_compressions():
    jobs = make_jobs({"sources": {"miniature": {"compressions": ["c23"]}}})
    shard = "miniature-train-000"
    assert jobs.drawn_shards() == sorted(set(jobs.videos["shard"]))
    used, drawn = set(jobs.shard_files(Names(shard))), set(jobs.drawn_files(shard))
    assert used < drawn
    assert any("/c40/" in file for file in drawn)
    assert not any("/c40/" in file for file in used)


def test_a_fingerprint_changes_only_with_the_rows_of_its_shard(jobs):
    changed = jobs.listed.copy()
    shard = "miniature-test-000"
    row = changed.index[changed["shard"] == shard][0]
    changed.loc[row, "path"] = "renamed.mp4"
    edited = JobParameters(jobs.config, changed, PUBLISHED)
    for name in jobs.shards():
        same = jobs.fingerprint_of(name) == edited.fingerprint_of(name)
        assert same == (name != shard)
        assert jobs.shard_fingerprint(Names(name)) == jobs.fingerprint_of(name)
    assert jobs.index_fingerprint() != edited.index_fingerprint()
    assert fingerprint(jobs.listed) == fingerprint(jobs.listed.copy())


def test_a_shard_gets_only_the_section_of_its_source(tmp_path):
    jobs = three_sources(tmp_path)
    for shard, keys in (
        ("miniature-test-000", {"miniature"}),
        ("mine-test-001", {"folders"}),
    ):
        section = json.loads(jobs.source_config(Names(shard), threads=1))
        assert set(section) == keys
        SourcesConfig.model_validate(section)


def test_originals_may_be_in_other_shards(jobs):
    shard = "miniature-test-000"
    names = Names(shard)
    fakes = jobs.rows_of(shard).query("label == 1")
    originals = jobs.originals_of(shard)
    assert set(originals["video"]) == set(fakes["original"])
    assert (originals["label"] == 0).all()
    shards = {shard, *originals["shard"]}
    tables = jobs.original_tables(names)
    assert tables == [f"out/videos/{name}.csv" for name in sorted(shards)]
    files = jobs.original_files(names)
    assert {file for file in files if file.endswith(".sha256")} == {
        f"out/videos/{name}.sha256" for name in originals["shard"]
    }
    assert {f"drawn/{path}" for path in originals["path"]} <= set(files)


def test_fetched_originals_are_represented_by_their_checksums(tmp_path):
    files = three_sources(tmp_path).original_files(Names("faceforensics-test-000"))
    assert files
    assert all(file.endswith(".sha256") for file in files)


# Files that depend on the configuration.


def test_weights_of_the_face_detector(jobs):
    assert jobs.face_detector_weights() == []
    assert jobs.extraction_gpus() == 0
    fetched = make_jobs({"faces": {"detector": "retinaface"}})
    assert fetched.face_detector_weights() == "out/faces/weights/retinaface.pth"
    assert fetched.extraction_gpus() == 1
    own = {"detector": "retinaface", "retinaface_weights": "own.pth"}
    assert make_jobs({"faces": own}).face_detector_weights() == "own.pth"
    config = json.loads(fetched.faces_config(Names(), threads=1))
    assert config["retinaface_weights"] == fetched.face_detector_weights()
    assert jobs.face_detector_addresses(Names(), threads=1) == "[]"


@pytest.mark.parametrize(
    ("pretrained", "file"),
    [
        (False, []),
        (True, "out/models/weights/test_resnet.safetensors"),
        ("own.safetensors", "own.safetensors"),
    ],
)
def test_weights_that_training_starts_from(pretrained, file):
    jobs = make_jobs({"models": {"small": {"pretrained": pretrained}}})
    assert jobs.weights_file(Names()) == file
    config = ModelConfig.model_validate_json(jobs.model_config(Names()))
    assert config.pretrained == (file or False)


def test_each_baseline_waits_only_for_the_faces_that_it_is_made_of(jobs):
    originals = "out/attributions/originals/miniature-test-000.h5"
    files = {
        "black": ([], [], []),
        "original": (originals, [], []),
        "nearest_real": ([], "out/attributions/real_faces.h5", []),
        "mean_face": ([], [], "out/attributions/references/all.h5"),
    }
    for baseline, expected in files.items():
        names = Names(baseline=baseline)
        found = jobs.baseline_originals(names), jobs.baseline_faces(names)
        assert (*found, jobs.baseline_references(names)) == expected


def test_originals_are_summarized_if_there_are_any(jobs):
    assert jobs.shards_with_originals() == jobs.shards("test")
    assert jobs.summary_of_originals(["file"]) == ["file"]
    clips = run_on_clips("real", "fake")
    assert clips.summary_of_originals(["file"]) == clips.shards_with_originals() == []


def test_a_training_state_belongs_to_its_detector(jobs):
    assert jobs.training_state(Names()) == "out/models/small/all/state.pt"


def test_a_protocol_is_passed_by_the_names_of_what_it_trains_on(jobs):
    config = json.loads(jobs.protocol_config(Names(protocol="unseen")))
    methods = ["Deepfakes", "FaceSwap", "NeuralTextures"]
    assert config == {
        "methods": methods,
        "compressions": ["c23", "c40"],
        "datasets": ["miniature"],
    }
    runs = json.loads(jobs.trained_runs(Names()))
    assert [run["protocol"] for run in runs] == ["all", "unseen"] * 2
    assert runs[1]["methods"] == methods
    assert {run["train_videos"] for run in runs} == {0}  # not the official split


# Runs that train nothing, and what is missing for those that do.


def run_on_clips(*labels: str, **models) -> JobParameters:
    """A run on clips of these labels that are only tested; "" is unlabelled."""
    config = RunConfig.model_validate(
        {
            "results": "out",
            "sources": {"folders": {"mine": {"root": "clips"}}},
            "models": models or {"given": {"weights": "w.safetensors"}},
            "attribution": {"baselines": ["black"]},
        }
    )
    methods = [{"": UNLABELLED, "real": "real"}.get(name, "swap") for name in labels]
    clips = [
        VideoRow("test", method, "native", f"{n}.mp4", f"{n}", "", f"{n}.mp4")
        for n, method in enumerate(methods)
    ]
    listed = assign_shards(video_table(clips, "mine"), ShardsConfig())
    return JobParameters(config, listed, PUBLISHED)


def test_a_finished_detector_is_there_once_beside_those_of_each_protocol(jobs):
    models = {**jobs.config.models, "given": ModelConfig(weights="w.safetensors")}
    config = jobs.config.model_copy(update={"models": models})
    with_given = JobParameters(config, jobs.listed, PUBLISHED)
    file = "{model}/{protocol}"
    trained = with_given.of_each_training(file)
    assert trained == jobs.of_each_detector(file)
    assert with_given.of_each_detector(file) == [*trained, "given/finished"]
    assert with_given.trained_models() == "small|other"
    names = Names(model="given", protocol="finished")
    assert with_given.detector_file(names) == "w.safetensors"
    assert with_given.history_file(names) == []
    assert with_given.finished_files() == ["w.safetensors"]
    assert json.loads(with_given.finished_detectors(names)) == {
        "given": "w.safetensors"
    }
    assert with_given.trained_runs(names) == jobs.trained_runs(names)
    # Its operating point is chosen on all videos of val, as there are any.
    protocol = ProtocolConfig.model_validate_json(with_given.protocol_config(names))
    assert protocol == ProtocolConfig()
    assert with_given.validation_shards() == ["miniature-val-000"]
    assert jobs.detector_file(Names()) == "out/models/small/all/weights.safetensors"
    assert jobs.history_file(Names()) == "out/models/small/all/history.csv"


def test_a_run_that_trains_nothing_has_no_shards_of_train_and_val():
    jobs = run_on_clips("real", "fake")
    assert jobs.shards() == ["mine-test-000", "mine-test-001"]
    assert jobs.validation_shards() == []
    assert jobs.trained_models() == "(?!)"
    assert jobs.of_each_training("{model}") == []
    names = Names(model="given", protocol="finished")
    assert jobs.references_file(names) == []
    assert jobs.baseline_references(names) == []
    for target in TARGET_NEEDS:
        assert jobs.needed_for(target)(names) == []


def missing_for(jobs: JobParameters, asked: str) -> str:
    """The message about what is missing for a target or a step."""
    with pytest.raises(MissingVideosError) as caught:
        jobs.needed_for(asked)(Names())
    return str(caught.value)


def test_unlabelled_clips_are_predicted_and_explained_but_have_no_metrics():
    jobs = run_on_clips("", "")
    for target in ("models", "predictions", "attributions"):
        assert jobs.needed_for(target)(Names()) == []
    for asked in ("metrics", "atlases", "all", "evaluate_model", "sum_attributions"):
        message = missing_for(jobs, asked)
        assert message.startswith(f"`{asked}` needs videos that the sources (mine) do")
        assert "the split 'test' has no real and no fake video" in message
        assert "videos, faces, models, predictions, attributions." in message
    jobs.listed["split"] = "train"
    untrained = JobParameters(jobs.config, jobs.listed, PUBLISHED)
    assert untrained.needed_for("models")(Names()) == []
    for asked in ("predictions", "metrics"):
        assert "mine has no test video. Set" in missing_for(untrained, asked)
    one_kind = run_on_clips("real", "")
    assert "has no fake video. Label" in missing_for(one_kind, "metrics")


def test_training_asks_for_its_videos_and_names_finished_detectors():
    jobs = run_on_clips("real", "fake", small={"timm": "resnet18"})
    for asked in ("models", "predictions", "metrics", "all", "train_model"):
        message = missing_for(jobs, asked)
        assert "small must be trained (train_model)" in message
        assert "'train' has no real and no fake video, and the split 'val'" in message
        assert "as models.small.weights" in message
        assert message.endswith("can be made now: videos, faces.")


def test_a_missing_training_video_is_said_once_for_all_trainings():
    jobs = run_on_clips("real", "fake", small={"timm": "resnet18"})
    several = jobs.config.model_copy(update={"seeds": 2})
    message = missing_for(JobParameters(several, jobs.listed, PUBLISHED), "models")
    assert message == missing_for(jobs, "models")


def test_baselines_of_training_faces_ask_for_them():
    jobs = run_on_clips("real", "fake")
    attribution = AttributionConfig(baselines=["black", "mean_face"])
    config = jobs.config.model_copy(update={"attribution": attribution})
    jobs = JobParameters(config, jobs.listed, PUBLISHED)
    assert jobs.needed_for("metrics")(Names()) == []
    message = missing_for(jobs, "attributions")
    assert "the split 'train' has no real video" in message
    assert "black, grey, white, blurred, noise need no other videos" in message
    for baseline, reason in (
        ("nearest_real", "the split 'val' has no real video"),
        ("original", "no fake in the split 'test' has a known original"),
    ):
        attribution = AttributionConfig(baselines=[baseline])
        config = jobs.config.model_copy(update={"attribution": attribution})
        other = JobParameters(config, jobs.listed, PUBLISHED)
        assert reason in missing_for(other, "attributions")
    assert jobs.baseline_references(Names(baseline="black")) == []
    with pytest.raises(MissingVideosError, match="collect_references"):
        jobs.baseline_references(Names(baseline="mean_face"))


def test_references_are_those_of_the_protocol(jobs):
    assert jobs.references_file(Names()) == "out/attributions/references/all.h5"


# Resources.


def test_resources_grow_with_attempts(jobs):
    memory = growing(1000)
    assert [memory(Names(), attempt) for attempt in (1, 2, 3, 4, 9)] == [
        *(1000, 2000, 3000, 3000, 3000),
    ]
    extraction = [jobs.extraction_memory(Names(), 4, n) for n in range(1, 6)]
    assert extraction == [
        extraction_mb("centerface", 4) * min(n, 3) for n in range(1, 6)
    ]
    assert all(more >= less for less, more in pairwise(extraction))
    assert MAX_GROWTH == 3


def test_training_needs_memory_for_each_device():
    jobs = make_jobs({"models": {"small": {"devices": 2}}})
    small, other = Names(), Names(model="other")
    assert jobs.for_each_device(8)(small) == 16
    assert jobs.for_each_device(8)(other) == 8
    assert jobs.training_memory(small, 1) == 2 * jobs.training_memory(other, 1)
    # Later attempts are for more time, not for more memory.
    memory = [jobs.training_memory(other, attempt) for attempt in (1, 2, 3)]
    assert memory[0] < memory[1] == memory[2]


@pytest.mark.parametrize(
    "resource", ["extraction_memory", "training_memory", "growing"]
)
def test_snakemake_passes_the_attempt_by_its_name(jobs, resource):
    function = growing(1) if resource == "growing" else getattr(jobs, resource)
    assert "attempt" in inspect.signature(function).parameters


# Parameters that make jobs stale. Snakemake ignores those that declare `threads`.

NOT_TRIGGERS = {
    "control_config",
    *("source_config", "all_sources", "drawing_source", "fetch_config"),
    *("faces_config", "face_detector_addresses", "published_file"),
}
# Parameters of jobs, by the names that the expectations below use.
TRIGGERS: dict[str, Callable[[JobParameters], str]] = {
    "index": lambda jobs: jobs.index_fingerprint(),
    "train rows": lambda jobs: jobs.fingerprint_of("miniature-train-000"),
    "test rows": lambda jobs: "".join(map(jobs.fingerprint_of, jobs.shards("test"))),
    "root": lambda jobs: jobs.data_root(Names()),
    "drawing": lambda jobs: jobs.drawing_config(Names()),
    "crops": lambda jobs: jobs.crop_settings(Names()),
    "originals": lambda jobs: jobs.original_settings(Names()),
    "model": lambda jobs: jobs.model_config(Names()),
    "other model": lambda jobs: jobs.model_config(Names(model="other")),
    "protocol": lambda jobs: jobs.protocol_config(Names()),
    "evaluation": lambda jobs: jobs.evaluation_config(Names()),
    "trained runs": lambda jobs: jobs.trained_runs(Names()),
    "detectors": lambda jobs: jobs.detectors(Names()),
    "seed": lambda jobs: str(jobs.training_seed(Names())),
    "black": lambda jobs: jobs.attribution_config(Names(baseline="black")),
    "noise": lambda jobs: jobs.attribution_config(Names(baseline="noise")),
    "draw_atlas": lambda jobs: jobs.atlases_config("draw_atlas")(Names()),
    "draw_baselines": lambda jobs: jobs.atlases_config("draw_baselines")(Names()),
    "draw_comparison": lambda jobs: jobs.atlases_config("draw_comparison")(Names()),
}


def test_parameters_that_are_not_triggers_declare_threads(jobs):
    methods = {
        name: getattr(jobs, name)
        for name, _ in inspect.getmembers(JobParameters, inspect.isfunction)
        if not name.startswith("_")
    }
    for name in NOT_TRIGGERS:
        signature = inspect.signature(methods[name])
        assert list(signature.parameters) == ["wildcards", "threads"]
        assert methods[name].__doc__
    # The memory of extraction is a resource, and resources are never triggers.
    declaring = {n for n, m in methods.items() if "threads" in signature_of(m)}
    assert declaring == NOT_TRIGGERS | {"extraction_memory"}


def signature_of(function: Callable) -> list[str]:
    return list(inspect.signature(function).parameters)


def changed_triggers(before: JobParameters, after: JobParameters) -> set[str]:
    return {name for name, read in TRIGGERS.items() if read(before) != read(after)}


ROWS = {"index", "train rows", "test rows"}
DRAWINGS = {"draw_atlas", "draw_baselines", "draw_comparison"}
MAPS = {"black", "noise"}

# By section: each key, another value, and the parameters that it changes.
EFFECTS: dict[str, dict[str, tuple[object, set[str]]]] = {
    "sources.miniature": {
        "root": ("elsewhere", {"root"}),
        "use": ("all", set()),
        "shards": ({"test": 3}, {"index", "test rows"}),
        "methods": (["Deepfakes"], ROWS | {"protocol", "trained runs"}),
        "compressions": (["c23"], ROWS | {"protocol", "trained runs"}),
        "written": (["c40", "c23"], {"drawing"}),
        "train_pairs": (2, ROWS),  # the persons of the other splits are renumbered
        "val_pairs": (2, {"index", "test rows"}),
        "test_pairs": (3, {"index", "test rows"}),
        "min_frames": (31, {"drawing"}),
        "max_frames": (45, {"drawing"}),
        "seed": (1, {"drawing"}),
    },
    "fetch": {
        "connections": (5, set()),
        "attempts": (9, set()),
        "patience": (61.0, set()),
        "slowest": (1001, set()),
        "max_failed": (0.5, set()),
        "unanswered": ("skip", set()),
    },
    "faces": {
        "frames": (9, {"crops"}),
        "detector": ("retinaface", {"crops", "trained runs"}),
        "retinaface_weights": ("own.pth", {"crops"}),
        "retinaface_address": ("https://a.example", set()),
        "detection_size": (512, {"crops"}),
        "detection_threshold": (0.4, {"crops"}),
        "min_face": (0.2, {"crops"}),
        "faces": ("all", {"crops"}),
        "min_seen": (0.2, {"crops"}),
        "decoder": ("pyav", {"crops", "originals"}),
        "time_limit": (301.0, {"crops", "originals"}),
        "margin": (1.4, {"crops", "originals"}),
        "size": (128, {"crops"}),
        "max_failed": (0.5, set()),
    },
    "models.small": {
        "timm": ("test_convnext", {"model", "trained runs"}),
        "weights": (None, set()),
        "pretrained": ("own.pth", {"model"}),
        "input_size": (48, {"model"}),
        "epochs": (7, {"model"}),
        "patience": (None, {"model"}),
        "batch_size": (16, {"model"}),
        "accumulate": (2, {"model"}),
        "devices": (2, {"model"}),
        "optimizer": ("sgd", {"model"}),
        "learning_rate": (0.01, {"model"}),
        "warmup": (0.2, {"model"}),
        "weight_decay": (0.1, {"model"}),
        "average": (0.9, {"model"}),
        "augment": (None, {"model"}),
        "precision": ("float32", {"model"}),
        "shuffle_labels": (True, {"model", "trained runs"}),
    },
    "protocols.all": {
        "methods": (["Deepfakes"], {"protocol", "trained runs"}),
        "leave_out": (["Deepfakes"], {"protocol", "trained runs"}),
        "compressions": (["c40"], {"protocol", "trained runs"}),
        "datasets": (["miniature"], set()),  # this was all that there is
    },
    "evaluation": {"bootstrap": (200, {"evaluation"})},
    "attribution": {
        "baselines": (["noise", "black"], set()),
        "noise_draws": (9, {"noise"}),
        "frames": (3, MAPS),
        "control_frames": (9, set()),  # the rule reads it directly
        "tolerance": (0.1, MAPS),
        "map_tolerance": (0.05, MAPS),
        "first_steps": (17, MAPS),
        "max_steps": (300, MAPS),
        "batch_size": (8, MAPS),
        "engine": ("captum", MAPS),
        "steps": (51, set()),
    },
    "atlases": {
        "colormap": ("broc", DRAWINGS),
        "opacity": (0.5, DRAWINGS),
        "gallery": (5, {"draw_atlas"}),
    },
    "report": {"faces": (False, set()), "compare_with": ("elsewhere", set())},
}
SECTIONS: dict[str, type[BaseModel]] = {
    "sources.miniature": MiniatureConfig,
    "fetch": FetchConfig,
    "faces": FacesConfig,
    "models.small": ModelConfig,
    "protocols.all": ProtocolConfig,
    "evaluation": EvaluationConfig,
    "attribution": AttributionConfig,
    "atlases": AtlasesConfig,
    "report": ReportConfig,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_expectations_cover_each_key_of_a_section(section):
    assert set(EFFECTS[section]) == set(SECTIONS[section].model_fields)


def test_the_expectations_cover_each_section():
    sections = {name.split(".")[0] for name in SECTIONS}
    # `results` is in all names of files; for `seed` and `seeds` see the next tests.
    assert sections | {"results", "seed", "seeds"} == set(RunConfig.model_fields)
    assert issubclass(MiniatureConfig, SourceConfig)


def nested(section: str, key: str, value: object) -> dict:
    """A change of one key as a nested configuration."""
    result: object = {key: value}
    for name in reversed(section.split(".")):
        result = {name: result}
    assert isinstance(result, dict)
    return result


def test_another_seed_is_a_parameter_of_training(jobs):
    """The rules of other steps read `seed` directly."""
    assert changed_triggers(jobs, make_jobs({"seed": 1})) == {"seed"}


def test_further_trainings_change_only_what_compares_detectors(jobs):
    assert changed_triggers(jobs, make_jobs({"seeds": 2})) == {
        *("detectors", "trained runs"),
    }


@pytest.mark.parametrize(
    ("section", "key"), [(s, key) for s, keys in EFFECTS.items() for key in keys]
)
def test_a_key_changes_only_the_parameters_of_its_steps(jobs, section, key):
    value, expected = EFFECTS[section][key]
    after = make_jobs(nested(section, key, value))
    assert changed_triggers(jobs, after) == expected
    # The report shows the whole configuration, without addresses.
    shown = [public_values(run.config.model_dump(mode="json")) for run in (jobs, after)]
    described = [run.run_description() for run in (jobs, after)]
    assert (described[0] == described[1]) == (shown[0] == shown[1])


def test_the_report_does_not_show_the_address_of_a_server():
    served = {"faceforensics": {"root": "data", "server": "https://host.example/x"}}
    described = public_values({"sources": served})
    assert described == {
        "sources": {"faceforensics": {"root": "data", "server": "(not shown)"}}
    }


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        *(("steps", 51, MAPS), ("tolerance", 0.1, MAPS), ("noise_draws", 9, {"noise"})),
        *(("first_steps", 17, set()), ("max_steps", 300, set())),
        ("map_tolerance", 0.05, set()),
    ],
)
def test_with_captum_its_own_keys_count(key, value, expected):
    captum = {"attribution": {"engine": "captum"}}
    before = make_jobs(captum)
    after = make_jobs(merged(captum, nested("attribution", key, value)))
    assert changed_triggers(before, after) == expected


def test_keys_that_are_not_triggers_reach_their_steps():
    jobs = make_jobs(
        {
            "fetch": {"attempts": 9},
            "faces": {"max_failed": 0.5, "retinaface_address": "https://a.example"},
        }
    )
    names = SimpleNamespace(shard="miniature-test-000")
    assert json.loads(jobs.fetch_config(names, threads=1))["attempts"] == 9
    assert json.loads(jobs.faces_config(names, threads=1))["max_failed"] == 0.5
    addresses = jobs.face_detector_addresses(names, threads=1)
    assert json.loads(addresses) == ["https://a.example"]
    drawn = json.loads(jobs.drawing_source(names, threads=1))
    assert drawn["miniature"]["root"] == "drawn"
    assert jobs.published_file(names, threads=1) == str(PUBLISHED)
    sources = json.loads(jobs.all_sources(names, threads=1))
    assert sources["miniature"]["root"] == "drawn"
