"""Published metrics: the shipped table, and which runs are compared with it."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.metrics.literature import (
    BESIDE_COLUMNS,
    beside_published,
    read_published,
    trained_table,
)
from pipeline.runtime.errors import StepError

SHIPPED = Path(__file__).parents[2] / "workflow" / "resources" / "published.csv"
METHODS = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"]
FOUR = "+".join(METHODS)


@pytest.fixture(scope="module")
def published():
    return read_published(SHIPPED)


def test_published_totals_agree_with_their_parts(published):
    four = published[published["trained_methods"] == FOUR]
    paper = four[four["source"] == "Roessler et al. 2019"]
    assert sorted(paper["compression"].unique()) == ["c23", "c40", "raw"]
    for _, part in paper.groupby("compression"):
        values = part.groupby("metric")["value"]
        assert values.size()["sensitivity"] == 4
        parts = (values.mean()["sensitivity"] + values.mean()["specificity"]) / 2
        assert values.mean()["balanced_accuracy"] == pytest.approx(parts, abs=1e-4)


def test_published_networks_exist_in_timm(published):
    timm = pytest.importorskip("timm")
    assert set(published["network"]) <= set(timm.list_models())


def metrics(dataset="faceforensics", compression="c23", methods=METHODS):
    """Frame AUC of one detector for each method, as in a `metrics_table`."""
    rows = [
        ("mine", "four", dataset, compression, method, "auc", 0.9 + n / 100, 0.8, 1.0)
        for n, method in enumerate(["all", *methods])
    ]
    names = "model protocol dataset compression method metric value low high".split()
    return pd.DataFrame(rows, columns=names).assign(
        real=1400, fake=5600, units=70, level="frame"
    )


def trained(**changes):
    row = {"model": "mine", "protocol": "four", "network": "legacy_xception"}
    row |= {"face_detector": "centerface"}
    row |= {"trained_methods": FOUR, "trained_compressions": "c23", "test_videos": 140}
    return pd.DataFrame([row | changes])


def test_comparable_run_is_compared(published):
    table = beside_published(metrics(), trained(), published)
    assert list(table.columns) == BESIDE_COLUMNS
    assert set(table["source"]) == {"Yan et al. 2023 (DeepfakeBench)"}
    pairs = table.set_index("method")[["published", "ours", "low", "high"]]
    assert set(pairs.index) == {"all", *METHODS}
    assert tuple(pairs.loc["all"]) == (0.9637, 0.9, 0.8, 1.0)
    assert tuple(pairs.loc["NeuralTextures"]) == (0.9385, pytest.approx(0.94), 0.8, 1.0)
    assert set(table["model"] + table["protocol"]) == {"minefour"}
    tagged = trained(network="legacy_xception.tf_in1k")
    assert beside_published(metrics(), tagged, published).equals(table)


def test_each_test_compression_has_its_own_published_value(published):
    table = beside_published(metrics(compression="c40"), trained(), published)
    assert table[["method", "published"]].values.tolist() == [["all", 0.8261]]


@pytest.mark.parametrize(
    ("tested", "changes"),
    [
        ({"dataset": "miniature"}, {}),
        ({"dataset": "all"}, {}),
        ({"compression": "raw"}, {}),
        ({"compression": "all"}, {}),
        ({}, {"trained_compressions": "c23+c40"}),
        ({}, {"trained_compressions": "raw"}),
        ({}, {"trained_methods": "Deepfakes+Face2Face+FaceSwap"}),
        ({}, {"network": "densenet121"}),
        ({}, {"test_videos": 139}),
        ({}, {"protocol": "another"}),
    ],
)
def test_run_with_one_difference_is_not_compared(tested, changes, published):
    table = beside_published(metrics(**tested), trained(**changes), published)
    assert len(table) == 0
    assert list(table.columns) == BESIDE_COLUMNS


@pytest.mark.parametrize(("column", "value"), [("level", "video"), ("metric", "f1")])
def test_other_level_or_metric_is_not_compared(column, value, published):
    changed = metrics().assign(**{column: value})
    assert len(beside_published(changed, trained(), published)) == 0


def test_metrics_over_other_methods_are_not_compared(published):
    five = metrics(methods=[*METHODS, "FaceShifter"])
    table = beside_published(five, trained(), published)
    assert set(table["method"]) == {*METHODS, "FaceShifter"}


def test_network_trained_on_one_method_is_compared(published):
    mine = metrics().assign(metric="balanced_accuracy")
    table = beside_published(mine, trained(trained_methods="Deepfakes"), published)
    assert table[["method", "published"]].values.tolist() == [["Deepfakes", 0.9885]]


GOOD = SHIPPED.read_text().splitlines()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a,b", "1,2"], "columns"),
        ([GOOD[0], GOOD[1], GOOD[1]], "line 3: repeats an earlier line"),
        ([GOOD[0], GOOD[1].replace("0.9929", "99.29")], "line 2: value"),
        ([GOOD[0], GOOD[1].replace("0.9929", "high")], "line 2: value"),
        ([GOOD[0], GOOD[1].replace("frame", "shot")], "line 2: level"),
        ([GOOD[0], GOOD[1].replace("raw,raw", "raw,c22")], "line 2: compression"),
        ([GOOD[0], GOOD[1].replace(FOUR, "b+a")], "line 2: trained_methods"),
        (
            [GOOD[0], GOOD[1].replace("Roessler et al. 2019", "")],
            "line 2: has an empty",
        ),
        ([], "cannot be read"),
    ],
)
def test_invalid_table_is_an_error_with_file_and_line(lines, words, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(lines))
    with pytest.raises(StepError, match=words) as error:
        read_published(file)
    assert "mine.csv" in str(error.value)


def run_of(**changes):
    """The workflow's description of a comparable detector, with `changes`."""
    run = {"model": "mine", "protocol": "four", "network": "legacy_xception"}
    run |= {"face_detector": "centerface"}
    run |= {"trained_here": True, "train_videos": 720, "datasets": ["faceforensics"]}
    return run | {"methods": METHODS, "compressions": ["c23"]} | changes


def scored_on(*datasets):
    counts = {"real": 140, "fake": 140}
    return pd.concat([metrics(dataset).assign(**counts) for dataset in datasets])


def test_trained_table_of_a_comparable_run():
    table = trained_table([run_of()], scored_on("all", "celebdf", "faceforensics"))
    assert table.iloc[0].to_dict() == trained().iloc[0].to_dict()


@pytest.mark.parametrize(
    "changes",
    [
        {"trained_here": False},
        {"train_videos": 713},  # leaks dropped
        {"train_videos": 140},  # a subset
        {"train_videos": 0},  # other splits
        {"datasets": ["deepfakedetection", "faceforensics"]},
    ],
)
def test_runs_with_other_training_data_are_not_compared(changes):
    assert len(trained_table([run_of(**changes)], scored_on("faceforensics"))) == 0
