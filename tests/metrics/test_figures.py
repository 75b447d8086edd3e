"""Figures: their size, and no warnings for any kind of scores."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.metrics.heat_table import plot_heat_table
from pipeline.metrics.operating_point import OperatingPoint
from pipeline.metrics.score_figures import (
    plot_det,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
    plot_scores,
)
from pipeline.models.history import kept_epoch
from pipeline.models.history_figure import plot_history

pytestmark = pytest.mark.filterwarnings("error")

POINT = OperatingPoint(threshold=0.4, temperature=1.6)
METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]


def items(methods, gap, count):
    """Real items with logits around -`gap`, and each method's fakes around `gap`."""
    rng = np.random.default_rng(0)
    tables = [
        pd.DataFrame(
            {
                "label": int(method != "real"),
                "method": method,
                "logit": rng.normal(-gap if method == "real" else gap, 1.0, count),
            }
        )
        for method in ("real", *methods)
    ]
    return pd.concat(tables, ignore_index=True)


CASES = {
    "normal": (METHODS, 0.7),
    "separated": (METHODS, 400.0),
    "one method": (["Deepfakes"], 0.7),
    "many methods": ([f"Method{n:02}" for n in range(18)], 0.7),
    "inverted": (METHODS, -9.0),
    "two items": (["Deepfakes"], 9.0),
}


@pytest.fixture(params=CASES)
def levels(request):
    methods, gap = CASES[request.param]
    counts = (1, 1) if request.param == "two items" else (60, 12)
    names = ("frame", "video")
    return {n: items(methods, gap, c) for n, c in zip(names, counts, strict=True)}


def check(draw, path):
    """`draw(path)` writes a picture that is not blank, with the same bytes twice."""
    draw(path)
    first = path.read_bytes()
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 300 < image.width < 2500
        assert 150 < image.height < 2500
        assert np.asarray(image.convert("L")).std() > 5
    draw(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("plot", [plot_roc, plot_precision_recall, plot_det])
def test_curves_of_levels(plot, levels, tmp_path):
    check(lambda path: plot(levels, "title", path), tmp_path / "figure.png")


def test_reliability_diagram(levels, tmp_path):
    points = dict.fromkeys(levels, POINT)
    draw = plot_reliability
    check(lambda path: draw(levels, points, "title", path), tmp_path / "figure.png")


def test_scores_of_videos(levels, tmp_path):
    videos = levels["video"]
    check(lambda path: plot_scores(videos, 0.4, "title", path), tmp_path / "figure.png")


def history(epochs):
    count = len(epochs)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": np.linspace(0.7, 0.1, count),
            "learning_rate": np.linspace(1e-3, 1e-5, count),
            "val_loss": np.linspace(0.6, 0.3, count),
            "val_frame_auc": np.linspace(0.6, 0.9, count),
            "val_video_auc": np.minimum(np.linspace(0.8, 1.1, count), 1.0),
        }
    )


def test_history_of_a_training(tmp_path):
    table = history(range(1, 9))
    check(lambda path: plot_history(table, "title", path), tmp_path / "figure.png")


@pytest.mark.parametrize("rate", [np.nan, 0.0])
def test_history_of_weights_that_were_not_trained(rate, tmp_path):
    table = history([0]).assign(train_loss=np.nan, learning_rate=rate)
    check(lambda path: plot_history(table, "title", path), tmp_path / "figure.png")


def test_kept_epoch_is_the_first_of_equally_good_epochs():
    table = history(range(1, 5)).assign(
        val_video_auc=[0.9, 0.95, 0.95, 0.95], val_loss=[0.1, 0.4, 0.3, 0.3]
    )
    assert kept_epoch(table) == 3


def heat_rows(**columns):
    base = {"model": "xception", "protocol": "all", "dataset": "faceforensics"}
    base |= {"compression": "c23", "method": "all", "metric": "auc"}
    return {**base, "value": 0.9, "low": 0.8, "high": 0.95} | columns


def test_heat_table(tmp_path):
    rows = [
        heat_rows(model=model, compression=compression, method=method, value=value)
        for model, value in (("xception", 0.3), ("densenet", 1.0))
        for compression in ("all", "c23", "c40")
        for method in ("all", *METHODS)
        if (compression, method) != ("c40", "FaceSwap")
    ]
    table = pd.DataFrame([*rows, heat_rows(metric="eer", method="nothing else")])
    check(lambda path: plot_heat_table(table, path), tmp_path / "figure.png")


def test_heat_table_of_one_cell_without_an_interval(tmp_path):
    table = pd.DataFrame([heat_rows(low=np.nan, high=np.nan)])
    check(lambda path: plot_heat_table(table, path), tmp_path / "figure.png")
