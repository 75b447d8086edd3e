"""Configuration: faults are named before a run starts; generated files are current."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from pipeline.config.check import ConfigError, check_config, timm_models
from pipeline.config.document import documents
from pipeline.config.models import ModelConfig
from pipeline.config.run import RunConfig
from pipeline.faces.detection.calibration import face_detector_entry
from pipeline.models.header import FORMAT, METADATA_KEY, VERSION
from pipeline.orchestration.finished_detectors import check_finished
from pipeline.orchestration.protocol_check import check_protocols
from pipeline.videos.listing import list_videos
from pipeline.videos.sources.faceforensics import read_splits

REPOSITORY = Path(__file__).parents[2]

FAULTS = [
    ({"face": {}}, "face = {}: unknown key; did you mean faces"),
    ({"faces": {"frame": 3}}, "faces.frame = 3: unknown key; did you mean frames"),
    ({"faces": {"frames": "8"}}, "faces.frames = '8': Input should be a valid integer"),
    ({"faces": {"frames": 0}}, "faces.frames = 0: Input should be greater than"),
    ({"faces": {"detector": "dlib"}}, "'centerface', 'haar' or 'retinaface'"),
    ({"faces": {"retinaface_weights": "no.pth"}}, "or null to fetch it"),
    (
        {"models": {"a": {"timm": "resnet19"}}},
        "models.a.timm = 'resnet19': timm has no",
    ),
    ({"models": {"a": {}}}, "models.a = {}: give timm, the network to train, or"),
    (
        {"models": {"a": {"weights": "w", "timm": "resnet18", "epochs": 3}}},
        "taken as it is; remove epochs, timm, or remove weights",
    ),
    ({"models": {"a": {"weights": "{w}"}}}, "models.a.weights = '{w}': String should"),
    (
        {"models": {"a": {"weights": "w"}}, "protocols": {"finished": {}}},
        "protocols.finished = 'finished': this name stands for the models with",
    ),
    ({"models": {"../a": {"timm": "resnet18"}}}, "should match pattern"),
    ({"models": {}}, "models = {}"),
    ({"models": {"a": {"timm": "resnet18", "pretrained": "no.pth"}}}, "no such file"),
    ({"sources": {"faceforensics": {"root": "none"}}}, "no such folder"),
    ({"sources": {"faceforensics": {"root": "none"}}}, "ask for access with the form"),
    ({"sources": {"celebdf": {"root": "none"}}}, "sources.celebdf.root = 'none'"),
    ({"sources": {"folders": {"mine": {"root": "none"}}}}, "sources.folders.mine.root"),
    (
        {"sources": {"folders": {"mine": {"root": ".", "tabel": "x"}}}},
        "sources.folders.mine.tabel = 'x': unknown key; did you mean table",
    ),
    ({"sources": {"folders": {"mine": {}}}}, "root: this key is needed"),
    (
        {"sources": {"folders": {"mine": {"root": ".", "table": "no.csv"}}}},
        "sources.folders.mine.table = 'no.csv': no such file",
    ),
    (
        {"sources": {"folders": {"celebdf": {"root": "."}}}},
        "the name 'celebdf' has another meaning",
    ),
    ({"sources": {"folders": {"all": {"root": "."}}}}, "'all' has another meaning"),
    ({"sources": {}}, "name at least one of miniature, faceforensics"),
    (
        {"sources": {"faceforensics": {"server": "http://example.org"}}},
        "before you set agree_to_terms: true. Only the authors can give access",
    ),
    (
        {"sources": {"faceforensics": {"server": "ftp://a", "agree_to_terms": True}}},
        "must begin with http:// or https://",
    ),
    (
        {"sources": {"faceforensics": {"methods": ["DeepFakeDetection"]}}},
        "DeepFakeDetection is a separate source",
    ),
    (
        {"sources": {"miniature": {"methods": ["Deepfakes", "Deepfakes"]}}},
        "names something twice",
    ),
    ({"models": {"a": {"timm": "resnet18.none"}}}, "timm has no model of this name"),
    ({"atlases": {"colormap": "RdBuu"}}, "atlases.colormap = 'RdBuu'"),
    ({"sources": {"miniature": {"root": "a{b}"}}}, "sources.miniature.root"),
    ({"sources": {"miniature": {"min_frames": 90}}}, "swap them"),
    ({"sources": {"miniature": {"compressions": ["raw"]}}}, "'c23' or 'c40'"),
    (
        {"attribution": {"baselines": ["black", "purple"]}},
        "attribution.baselines.1 = 'purple'",
    ),
    ({"attribution": {"baselines": ["black", "black"]}}, "name each baseline once"),
    (
        {"attribution": {"baselines": ["black", "real_face"]}},
        "two baselines: `original` (the same frame before it was forged; only",
    ),
    (
        {"attribution": {"baselines": ["black", "real_face"]}},
        "and `nearest_real` (the most similar real validation face",
    ),
    ({"attribution": {"max_steps": 5}}, "max_steps 5 is below first_steps 9"),
    (
        {"models": {"a": {"timm": "resnet18", "batch_size": 10, "accumulate": 4}}},
        "must be a multiple of accumulate x devices (4)",
    ),
    ({"models": {"a": {"timm": "resnet18", "epochs": 0}}}, "give weights as"),
    (
        {"models": {"a": {"timm": "resnet18", "augment": {"jpg": 1}}}},
        "models.a.augment.jpg = 1: unknown key; did you mean jpeg",
    ),
    (
        {"models": {"a": {"timm": "resnet18", "augment": {"jpeg": 2}}}},
        "models.a.augment.jpeg = 2: Input should be",
    ),
    (
        {"protocols": {"p": {"methods": ["FaceSwap"], "leave_out": ["FaceSwap"]}}},
        "both name ['FaceSwap']",
    ),
    ({"protocols": {"a/b": {}}}, "should match pattern"),
    ({"protocols": {"p": {"method": ["FaceSwap"]}}}, "did you mean methods"),
    ({"evaluation": {"threshold": 0.5}}, "evaluation.threshold = 0.5: unknown key"),
    ({"seed": True}, "seed = True: Input should be a valid integer"),
    ({"seeds": 0}, "seeds = 0: Input should be greater than or equal to 1"),
    ({"seeds": 21}, "seeds = 21: Input should be less than or equal to 20"),
    (
        {
            "seeds": 3,
            "models": {"a": {"timm": "resnet18"}, "a-training3": {"timm": "resnet18"}},
        },
        "models.a-training3 = 'a-training3': with seeds: 3, this is the name of "
        "training 3 of a; choose another name",
    ),
    (
        {"models": {"m": {"timm": "resnet18", "learning_rate": "1e-5"}}},
        "models.m.learning_rate = '1e-5': YAML reads this as text; write 1.0e-05",
    ),
    (
        {"models": {"m": {"timm": "resnet18", "learning_rate": "nan"}}},
        "models.m.learning_rate = 'nan': Input should be a valid number",
    ),
    (
        {"models": {"m": {"timm": "resnet18", "learning_rate": "1e-4"}}},
        "models.m.learning_rate = '1e-4': YAML reads this as text; write 0.0001",
    ),
]


# Protocols that are impossible with the videos of the sources.
PROTOCOL_FAULTS = [
    (
        {"leave_out": ["DeepFakes"]},
        "protocols.p.leave_out = ['DeepFakes']: DeepFakes is in no training video",
    ),
    ({"compressions": ["c40"]}, "c40 is in no training video of the sources"),
    ({"datasets": ["celebdf"]}, "celebdf is in no training video"),
    (
        {"leave_out": ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]},
        "leaves no fake to train on (in the split 'train')",
    ),
]


@pytest.mark.parametrize(("protocol", "message"), PROTOCOL_FAULTS)
def test_impossible_protocols_are_refused(tmp_path, protocol, message):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"protocols": {"p": protocol}}))
    config = check_config({"protocols": {"p": protocol}}, [file])
    with pytest.raises(ConfigError) as caught:
        check_protocols(config, list_videos(config.sources), [file])
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{file}: protocols.p")


def test_a_protocol_without_fakes_in_validation_is_refused(tmp_path):
    """The error is raised before any step runs."""
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"protocols": {"p": {"methods": ["FaceSwap"]}}}))
    config = check_config({"protocols": {"p": {"methods": ["FaceSwap"]}}}, [file])
    videos = list_videos(config.sources)
    unseen = (videos["split"] == "val") & (videos["method"] == "FaceSwap")
    check_protocols(config, videos, [file])
    with pytest.raises(ConfigError, match=r"leaves no fake to choose the epoch on"):
        check_protocols(config, videos[~unseen], [file])


def test_a_protocol_that_leaves_a_data_set_one_kind_is_refused(tmp_path):
    """A detector would learn to recognise the data set."""
    config = check_config({"protocols": {"p": {}}}, [])
    videos = list_videos(config.sources)
    real = videos[(videos["split"] == "train") & (videos["label"] == 0)]
    videos = pd.concat([videos, real.assign(dataset="clips")])
    message = r"leaves no fake of clips \(c23\) to train on"
    with pytest.raises(ConfigError, match=message):
        check_protocols(config, videos, [])


def test_protocols_count_only_if_something_can_be_trained(tmp_path):
    config = check_config({"protocols": {"p": {"methods": ["Other"]}}}, [])
    videos = list_videos(config.sources)
    with pytest.raises(ConfigError, match="Other is in no training video"):
        check_protocols(config, videos, [])
    check_protocols(config, videos[videos["split"] == "test"], [])
    given = config.model_copy(update={"models": {"a": ModelConfig(weights="w")}})
    check_protocols(given, videos, [])


def write_detector(path: Path, **changes) -> None:
    """Write a weights file; its header is that of `save_detector` with changes."""
    header = {"format": FORMAT, "version": VERSION, "timm": "resnet18"}
    header |= {"input_size": 96, "mean": [0, 0, 0], "std": [1, 1, 1], **changes}
    header = {key: value for key, value in header.items() if value is not None}
    text = json.dumps(header)
    save_file({"a": np.zeros(1)}, path, {METADATA_KEY: text})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "is not a detector of this project; give a file"),
        ({"version": VERSION + 1}, "use a newer deepfake-atlas"),
        ({"version": "one"}, "use a newer deepfake-atlas"),
        ({"mean": None, "std": None}, "its header lacks mean, std"),
        ({"timm": "resnet19"}, "which the installed timm does not have"),
        (
            {"provenance": {"face_detector": face_detector_entry("haar")}},
            "it was trained on crops of haar; set faces.detector: haar",
        ),
        ("text", "is not a safetensors file"),
        ("missing", "no such file; give the path of a detector's"),
    ],
)
def test_a_file_that_is_no_finished_detector_is_named(tmp_path, changes, message):
    weights, file = tmp_path / "w.safetensors", tmp_path / "mine.yaml"
    if changes == "text":
        weights.write_text("no weights")
    elif changes != "missing":
        write_detector(weights, **changes)
    raw = {"models": {"a": {"weights": str(weights)}}}
    file.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError) as caught:
        check_finished(check_config(raw, [file]), [file])
    assert str(caught.value).startswith(f"{file}: models.a.weights = '{weights}': ")
    assert message in str(caught.value)


def test_finished_detectors_of_other_versions_are_accepted(tmp_path):
    """A header may lack what is not needed, and have entries that are unknown."""
    weights = tmp_path / "w.safetensors"
    write_detector(weights, later={"a": 1})
    check_finished(check_config({"models": {"a": {"weights": str(weights)}}}, []), [])


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_faults_name_file_key_value_and_remedy(tmp_path, fault, message):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(fault))
    with pytest.raises(ConfigError) as caught:
        check_config(fault, [file])
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")


def test_a_faulty_value_of_the_command_line_is_attributed_to_config_option(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 3")
    with pytest.raises(ConfigError, match=r"^--config: seed = -1"):
        check_config({"seed": -1}, [file])


def test_all_faults_are_named_in_one_error():
    with pytest.raises(ConfigError) as caught:
        check_config({"faces": {"frames": 0, "sise": 3}, "sede": 1}, [])
    assert all(k in str(caught.value) for k in ("faces.frames", "faces.sise", "sede"))


def test_names_of_trainings_are_free_if_no_training_has_them():
    models = {"a": {"timm": "resnet18"}, "a-training3": {"timm": "resnet18"}}
    models["a-training1"] = {"timm": "resnet18"}
    config = check_config({"seeds": 2, "models": models}, [])
    names = [training.name for training in config.trainings()]
    assert len(names) == len(set(names)) == 6


def test_shipped_configurations_are_valid():
    shipped = sorted((REPOSITORY / "config").glob("*.yaml"))
    assert shipped
    for file in shipped:
        raw = yaml.safe_load(file.read_text())
        for name, source in raw.get("sources", {}).items():
            if name != "folders" and source:
                source["root"] = str(REPOSITORY)  # users set their own
        check_config(raw, [file])


def test_default_file_contains_the_defaults():
    raw = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    assert check_config(raw, []) == RunConfig()


def test_generated_files_are_current():
    for path, text in documents().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run `make docs`"


def test_every_key_has_a_description():
    def described(section):
        for name, field in type(section).model_fields.items():
            assert field.description, name
            value = getattr(section, name)
            for inner in value.values() if isinstance(value, dict) else [value]:
                if hasattr(type(inner), "model_fields"):
                    described(inner)

    described(RunConfig())


def test_model_names_are_those_of_timm():
    import timm

    registered = set(timm.list_models())
    # timm's list leaves out old names of models.
    assert registered <= timm_models()
    assert all(timm.is_model(name) for name in timm_models())
    tagged = "resnet18.a1_in1k"
    assert tagged in timm.list_models(pretrained=True)
    check_config({"models": {"a": {"timm": tagged}}}, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "cannot be read"),
        ('{"a": 1}', "is not a pair"),
        ('[["1", "2"]]', "is not a pair"),
        ('[["../", "002"]]', "is not a pair"),
        ('[["004", "001"]]', "is in train.json too"),
        ('[["004", "005"], ["004", "006"]]', "in the file twice"),
        ('[["004", "004"]]', "in the file twice"),
        ("[[4, 5]]", "is not a pair"),
    ],
)
def test_bad_splits_are_refused(tmp_path, content, message):
    (tmp_path / "train.json").write_text('[["000", "001"]]')
    (tmp_path / "val.json").write_text('[["002", "003"]]')
    (tmp_path / "test.json").write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_splits(tmp_path, official=False)
    assert str(tmp_path / "test.json") in str(caught.value)
