"""Model cards: their content, warnings and tables."""

import numpy as np
import pandas as pd
import pytest

from pipeline.config.models import ModelConfig
from pipeline.metrics.model_card import CARD_METRICS, model_card
from pipeline.metrics.operating_point import DEFAULT_POINT, OperatingPoint
from pipeline.metrics.scores import metrics_table

POINTS = {"frame": OperatingPoint(0.75, 1.5), "video": OperatingPoint(-0.25, 0.5)}
FILE = ("weights.safetensors", "fedc4321")


def header(dataset="faceforensics", **changes):
    provenance = {
        "model": ModelConfig(timm="legacy_xception").model_dump(),
        "protocol": {"methods": None, "leave_out": [], "compressions": ["c23"]},
        "seed": 7,
        "datasets": [dataset],
        "methods": ["Deepfakes", "Face2Face"],
        "compressions": ["c23"],
        "videos": 2160,
        "persons": 720,
        "crops": 69000,
        "real_crops": 23000,
        "face_detector": {"name": "centerface", "scale": 0.8, "shift": 0.1},
        "pretrained": {"file": "odd|name.pth", "sha256": "0123abcd"},
        "versions": {"torch": "2.14.0", "timm": "1.0.20"},
    }
    return {
        "timm": "legacy_xception",
        "input_size": 299,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "output": "one logit, positive | for fake",
        "provenance": provenance | changes,
    }


def history(epochs):
    columns = ["train_loss", "learning_rate", "val_loss", "val_frame_auc"]
    table = pd.DataFrame({"epoch": epochs, **dict.fromkeys(columns, 0.5)})
    return table.assign(val_video_auc=[0.9 if e == 2 else 0.8 for e in epochs])


def scored(dataset):
    """Tidy metrics of two methods; the detector makes no mistake on `Deepfakes`."""
    rng = np.random.default_rng(0)
    places = {"real": -4.0, "Deepfakes": 40.0, "NeuralTextures": -3.0}
    rows = [
        (f"{n:03}", int(method != "real"), method, place + rng.normal())
        for method, place in places.items()
        for n in range(12)
    ]
    items = pd.DataFrame(rows, columns=["unit", "label", "method", "logit"])
    items = items.assign(dataset=dataset, compression="c23", second_unit="")
    items = items.assign(video=items["method"] + items["unit"])
    return metrics_table(items, POINTS["video"], 100, 0)


@pytest.fixture(scope="module")
def tables():
    return {name: scored(name) for name in ("faceforensics", "miniature")}


def card(tables, dataset="faceforensics", epochs=(1, 2, 3), **changes):
    table = tables[dataset]
    top = header(dataset, **changes)
    return model_card("mine", top, history(list(epochs)), table, table, POINTS, FILE)


def test_card_has_all_required_statements(tables):
    text = card(tables)
    for words in (
        "# mine\n",
        "`legacy_xception` of timm",
        "299 x 299 px",
        "| methods trained on | Deepfakes, Face2Face |",
        "69000, 23000 of them real",
        "Training ran for 3 epochs. The weights are those of epoch 2",
        "| augment.flip | 0.5 |",
        "| seed | 7 |",
        "| version of torch | 2.14.0 |",
        "SHA-256 `0123abcd`",
        "| frame | 0.75 | 1.5 | 0.622 |",
        "| video | -0.25 | 0.5 | 0.378 |",
        "never on test data",
        "## Intended use",
        "Do not use the detector to decide about single persons",
        "not proof",
        "interval of width zero",
        "not certainty",
        "bootstrap over units",
    ):
        assert words in text


def test_metrics_have_their_intervals(tables):
    text = card(tables)
    for name in CARD_METRICS.values():
        assert text.count(f" {name} |") == 2  # by video and by frame
    rows = [line for line in text.splitlines() if line.startswith("| faceforensics |")]
    kinds = ["all", "Deepfakes", "NeuralTextures (not trained on)"] * 2
    assert [row.split(" | ")[2] for row in rows] == kinds
    assert rows[1].split(" | ")[3:7] == ["12", "12", "12", "1.000 [1.000, 1.000]"]
    auc = tables["faceforensics"].set_index(["method", "metric"]).loc[("all", "auc")]
    assert f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]" in rows[0]


def test_pipes_in_values_do_not_break_tables(tables):
    text = card(tables)
    assert "| output | one logit, positive \\| for fake |" in text
    columns = None
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        count = line.replace("\\|", "").count("|")
        assert columns in (None, count)
        columns = count


def test_only_the_miniature_data_set_has_a_warning(tables):
    assert "evidence about real deepfakes" in card(tables, "miniature")
    assert "evidence about real deepfakes" not in card(tables)
    assert "miniature" not in card(tables)
    drawn = {"faceforensics": tables["miniature"]}  # trained on real faces
    assert "evidence about real deepfakes" in card(drawn)


def test_control_has_a_warning(tables):
    model = ModelConfig(timm="legacy_xception", shuffle_labels=True).model_dump()
    assert "shuffled labels" in card(tables, model=model)
    assert "shuffled labels" not in card(tables)


def test_card_of_weights_that_were_not_trained(tables):
    text = card(tables, epochs=[0], pretrained=None)
    assert "There was no training" in text
    assert "SHA-256" not in text


def test_card_of_a_finished_detector(tables):
    table = tables["faceforensics"]
    points = dict.fromkeys(POINTS, DEFAULT_POINT)
    text = model_card("mine", header(), None, table, table, points, FILE)
    for words in (
        "file `weights.safetensors` (SHA-256 `fedc4321`)",
        "This run did not train it",
        "Initial weights: `odd|name.pth`",
        "| methods trained on | Deepfakes, Face2Face |",
        "| augment.flip | 0.5 |",
        "NeuralTextures (not trained on)",
        "was not chosen on any data",
        "| video | 0 | 1 | 0.500 |",
    ):
        assert words in text
    assert "Training ran for" not in text
    assert "chosen on the validation split" not in text


def test_card_of_a_file_that_says_nothing_of_its_training(tables):
    table = tables["faceforensics"]
    top = {key: header()[key] for key in ("timm", "input_size", "mean", "std")}
    text = model_card("mine", top, None, table, table, POINTS, FILE)
    assert "trained elsewhere, on unknown data" in text
