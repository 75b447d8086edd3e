"""Metrics compared with scikit-learn and with hand calculations; their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pipeline.compare_models import Arguments, main
from pipeline.config.evaluation import EvaluationConfig
from pipeline.files.tables import write_csv
from pipeline.metrics.comparison import DIFFERENCE_COLUMNS, differences
from pipeline.metrics.operating_point import (
    LEVELS,
    OperatingPoint,
    best_temperature,
    best_threshold,
    default_table,
    points_table,
    read_points,
)
from pipeline.metrics.overview import overview
from pipeline.metrics.resampled_scores import bootstrap, resampled_metrics
from pipeline.metrics.scores import equal_error_rate, metrics_table, score
from pipeline.models.predictions import per_video, probability
from pipeline.statistics.resampling import interval

POINT = OperatingPoint(threshold=0.3, temperature=2.0)


def some_items(count=80, seed=0, ties=True):
    """Labels and logits, many of them tied, and integer weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    logits = rng.normal(labels, 1.5)
    logits = np.round(logits, 1) if ties else logits
    return labels, logits, rng.integers(0, 4, (5, count))


@pytest.mark.parametrize("seed", range(5))
def test_weighted_metrics_equal_those_of_repeated_items(seed):
    labels, logits, weights = some_items(seed=seed)
    found = resampled_metrics(labels, logits, weights, POINT)
    for row, repeats in enumerate(weights):
        expected = score(np.repeat(labels, repeats), np.repeat(logits, repeats), POINT)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][row] == pytest.approx(value, abs=1e-12), name


def test_scores_equal_scikit_learns():
    labels, logits, _ = some_items(400)
    values = score(labels, logits, POINT)
    assert values["auc"] == roc_auc_score(labels, logits)
    assert values["average_precision"] == average_precision_score(labels, logits)
    chance = expit(logits)
    assert values["brier"] == pytest.approx(
        np.mean([((chance - labels)[labels == n] ** 2).mean() for n in (0, 1)])
    )
    false_alarms, hits, _ = roc_curve(labels, logits, drop_intermediate=False)
    for name, rate in (("tpr_at_fpr_1", 0.01), ("tpr_at_fpr_10", 0.1)):
        assert values[name] == hits[false_alarms <= rate].max()


def test_scores_by_hand():
    labels = np.array([0, 0, 1, 1, 1])
    logits = np.array([-2.0, 1.0, -1.0, 3.0, 0.5])
    values = score(labels, logits, OperatingPoint(0.0, 1.0))
    assert values["auc"] == pytest.approx(4 / 6)
    assert values["accuracy"] == pytest.approx(3 / 5)
    assert values["sensitivity"] == pytest.approx(2 / 3)
    assert values["specificity"] == pytest.approx(1 / 2)
    assert values["balanced_accuracy"] == pytest.approx(7 / 12)
    assert values["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert values["tpr_at_fpr_1"] == pytest.approx(1 / 3)  # the 3.0, above all real
    moved = score(labels, logits, OperatingPoint(1.5, 1.0))
    assert (moved["specificity"], moved["sensitivity"]) == (1.0, pytest.approx(1 / 3))


def test_calibration_error_by_hand():
    """Two bins: 4 items at 0.9, 3 of them fake, and 6 at 0.2, 3 of them fake.

    At even odds, each of the 6 fakes weighs 1/12 and each of the 4 real items 1/8.
    """
    chance = np.array([0.9] * 4 + [0.2] * 6)
    labels = np.array([1, 1, 1, 0, 1, 1, 1, 0, 0, 0])
    logits = np.log(chance / (1 - chance))
    values = score(labels, logits, OperatingPoint(0.0, 1.0))
    assert values["ece"] == pytest.approx(
        abs(3 / 12 * 0.1 - 1 / 8 * 0.9) + abs(3 / 12 * 0.8 - 3 / 8 * 0.2)
    )
    assert values["ece_calibrated"] == values["ece"]
    certain = score(labels, 1000.0 * (2 * labels - 1), OperatingPoint(0.0, 1.0))
    assert certain["ece"] == certain["brier"] == 0.0


def test_equal_error_rate_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert equal_error_rate(labels, np.arange(8.0)) == 0.0
    assert equal_error_rate(labels, -np.arange(8.0)) == 1.0
    # One of four real items and one of four fakes are on the wrong side.
    assert equal_error_rate(labels, np.array([0, 1, 2, 6, 5, 7, 8, 9.0])) == 0.25
    assert equal_error_rate(labels, np.zeros(8)) == 0.5


def test_equal_error_rate_is_where_the_rates_meet():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    scores = rng.normal(labels, 1.0)
    rate = equal_error_rate(labels, scores)
    threshold = np.quantile(scores[labels == 0], 1 - rate)
    assert (scores[labels == 1] < threshold).mean() == pytest.approx(rate, abs=0.01)
    assert rate == pytest.approx(0.3085, abs=0.03)  # of two normals a unit apart


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better(seed):
    labels, logits, _ = some_items(60, seed)
    found = best_threshold(labels, logits)
    merits = {
        t: score(labels, logits, OperatingPoint(t, 1.0))["balanced_accuracy"]
        for t in [found, *(logits + 1e-6), *(logits - 1e-6)]
    }
    assert merits[found] == max(merits.values())


def test_threshold_is_half_way_between_separated_classes():
    labels = np.array([0, 0, 0, 1, 1])
    assert best_threshold(labels, np.array([-3.0, -2.5, -1.0, 2.0, 2.5])) == 0.5
    assert best_threshold(labels, np.zeros(5)) == 0.0


def test_calibration_does_not_depend_on_the_share_of_fakes():
    """A detector that is calibrated at even odds, tested with five fakes a real."""
    rng = np.random.default_rng(1)
    labels = (rng.random(60_000) < 5 / 6).astype(int)
    logits = rng.normal(np.where(labels == 1, 1.0, -1.0), np.sqrt(2))  # log odds
    point = OperatingPoint(0.0, best_temperature(labels, logits))
    assert point.temperature == pytest.approx(1, abs=0.05)
    values = score(labels, logits, point)
    assert values["ece"] < 0.02
    half = np.flatnonzero(labels == 1)[: (labels == 0).sum()]
    even = np.concatenate([np.flatnonzero(labels == 0), half])
    alone = score(labels[even], logits[even], point)
    assert values["brier"] == pytest.approx(alone["brier"], abs=0.01)


def test_temperature_equals_the_factor_of_the_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 50_000)
    labels = (rng.random(50_000) < expit(logits)).astype(int)
    assert best_temperature(labels, 3 * logits) == pytest.approx(3, rel=0.05)
    point = OperatingPoint(0.0, best_temperature(labels, 3 * logits))
    values = score(labels, 3 * logits, point)
    assert values["ece_calibrated"] < 0.01 < 0.1 < values["ece"]


def test_operating_points_are_read_exactly_as_written(tmp_path):
    labels, logits, _ = some_items(ties=False)
    table = points_table({"frame": pd.DataFrame({"label": labels, "logit": logits})})
    table.to_csv(tmp_path / "points.csv", index=False)
    read = read_points(tmp_path / "points.csv")["frame"]
    found = (read.threshold, read.temperature, read.chosen_on)
    assert found == tuple(table.iloc[0, 1:])
    assert read.threshold == best_threshold(labels, logits)
    assert read.chosen_on == "val"


def test_without_validation_videos_the_operating_point_is_a_probability_of_half(
    tmp_path,
):
    default_table(LEVELS).to_csv(tmp_path / "points.csv", index=False)
    points = read_points(tmp_path / "points.csv")
    assert set(points) == {"frame", "video"}
    for point in points.values():
        assert probability(np.array(point.threshold / point.temperature)) == 0.5
        assert point.temperature == 1
        assert point.chosen_on == "default"


def test_the_overview_says_where_finished_detectors_are_from():
    rng = np.random.default_rng(0)
    items = pd.DataFrame(
        {"label": [0, 1] * 6, "method": ["real", "a"] * 6, "logit": rng.normal(size=12)}
    )
    items = items.assign(dataset="d", compression="c23", video=range(12))
    items = items.assign(unit=[f"{n}" for n in range(12)], second_unit="")
    table = metrics_table(items, OperatingPoint(0, 1), 100, 0)
    table = table.assign(model="mine", protocol="finished")
    row = ["mine", "resnet18", "faceforensics", "Deepfakes", "c23", "w.st", "0a"]
    assert f"| {' | '.join(row)} |" in overview(table, [row])
    assert "Finished detectors" not in overview(table)


def test_videos_are_identified_by_their_full_id():
    """The fakes of one pair by two methods have the same file name."""
    frames = pd.DataFrame(
        {
            "video": ["d/c23/A/000_001"] * 2 + ["d/c23/B/000_001"],
            "label": 1,
            "number": [1, 2, 1],
            "logit": [1.0, 3.0, -1.0],
        }
    )
    videos = per_video(frames)
    assert videos["logit"].tolist() == [2.0, -1.0]
    assert videos["frames"].tolist() == [2, 1]


def items_table(compressions=("c23",), datasets=("d",), seed=1, persons=10):
    """20 real items, 15 fakes of A and 15 of B per data set and compression."""
    rng = np.random.default_rng(seed)
    parts = []
    for dataset in datasets:
        for compression in compressions:
            part = pd.DataFrame(
                {
                    "label": [0] * 20 + [1] * 30,
                    "method": ["real"] * 20 + ["A"] * 15 + ["B"] * 15,
                    "unit": [f"{dataset}/{i % persons}" for i in range(50)],
                    "second_unit": "",
                    "dataset": dataset,
                    "compression": compression,
                }
            )
            part["logit"] = rng.normal(part["label"])
            part["video"] = [f"{dataset}/{compression}/{i}" for i in range(50)]
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_metrics_table_has_all_slices_with_their_counts():
    items = items_table()
    table = metrics_table(items, POINT, 100, 0)
    assert set(table["method"]) == {"all", "A", "B"}
    assert set(table["compression"]) == {"c23"}
    part = items[items.method != "B"]
    row = table[(table.method == "A") & (table.metric == "auc")].iloc[0]
    assert row.value == roc_auc_score(part.label, part.logit)
    assert (row.real, row.fake, row.units) == (20, 15, 10)
    without = table["metric"].isin(["unit_correlation", "ece", "ece_calibrated"])
    assert table.loc[without, ["low", "high"]].isna().all(axis=None)
    known = table[~without]
    assert (known["low"] <= known["value"] + 1e-9).mean() > 0.95
    assert (known["value"] <= known["high"] + 1e-9).mean() > 0.95
    few = metrics_table(items[items["unit"] < "d/7"], POINT, 100, 0)
    assert few[["low", "high"]].isna().all(axis=None)


def test_each_data_set_and_compression_is_a_slice():
    items = items_table(("c23", "c40"), ("d", "e"))
    table = metrics_table(items, POINT, 100, 0)
    auc = table[(table.metric == "auc") & (table.method == "all")]
    places = set(zip(auc["dataset"], auc["compression"], strict=True))
    assert places == {(d, c) for d in ("all", "d", "e") for c in ("all", "c23", "c40")}
    row = auc[(auc.dataset == "e") & (auc.compression == "c40")].iloc[0]
    part = items[(items.dataset == "e") & (items.compression == "c40")]
    assert row.value == roc_auc_score(part.label, part.logit)


def test_intervals_do_not_depend_on_the_memory_limit(monkeypatch):
    items = items_table()
    one = metrics_table(items, POINT, 150, 0)
    monkeypatch.setattr("pipeline.metrics.resampled_scores.MAX_WEIGHTS", 1000)
    assert one.equals(metrics_table(items, POINT, 150, 0))


def simulated(rng, persons=100, signal=1.5):
    """Two real and three fake videos per person, with one random shift per person."""
    labels = np.tile([0, 0, 1, 1, 1], persons)
    person = np.repeat(np.arange(persons), 5)
    looks = rng.normal(0, 0.7, persons)[person]
    noise = rng.normal(0, 1, len(labels))
    return labels, signal * labels + looks + noise, person


def units(person: np.ndarray) -> list[tuple[str, str]]:
    return [(str(number), "") for number in person]


def test_intervals_cover_the_true_value():
    """92 to 98 % of the intervals contain the metric of the population."""
    rng = np.random.default_rng(0)
    point = OperatingPoint(threshold=0.75, temperature=1.0)
    labels, logits, _ = simulated(rng, 100_000)
    truth = score(labels, logits, point)
    inside = dict.fromkeys(("auc", "eer", "balanced_accuracy", "brier"), 0)
    runs = 400
    for seed in range(runs):
        labels, logits, person = simulated(rng)
        options = {"point": point, "resamples": 400, "seed": seed}
        drawn = bootstrap(labels, logits, units(person), **options)
        found = score(labels, logits, point)
        for name in inside:
            low, high = interval(found[name], drawn[name], 100)
            inside[name] += low <= truth[name] <= high
    shares = {name: count / runs for name, count in inside.items()}
    assert all(0.92 <= share <= 0.98 for share in shares.values()), shares


def test_intervals_from_single_videos_would_be_too_narrow():
    """Ten videos of one person carry less information than videos of ten persons."""
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, 60), 10)
    person = np.repeat(np.arange(60), 10)
    logits = labels + rng.normal(0, 1, 60)[person] + rng.normal(0, 0.1, 600)
    point = OperatingPoint(threshold=0, temperature=1)
    widths = []
    for groups in (person, np.arange(600)):
        drawn = bootstrap(
            labels, logits, units(groups), point=point, resamples=300, seed=0
        )
        value = roc_auc_score(labels, logits)
        low, high = interval(value, drawn["auc"], len(np.unique(groups)))
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]


def test_differences_are_paired():
    """The difference of two similar models has a narrow interval."""
    items = items_table(persons=25)
    near = items.assign(logit=items["logit"] + np.tile([0.01, -0.01], 25))
    blind = items.assign(logit=np.random.default_rng(5).normal(size=50))
    tables = {"one": items, "two": near, "blind": blind}
    points = dict.fromkeys(tables, POINT)
    table = differences(tables, points, 200, 0)
    auc = table[(table.metric == "auc") & (table.method == "all")]
    auc = auc.set_index(["model", "other"])
    assert set(auc.index) == {("one", "two"), ("one", "blind"), ("two", "blind")}
    single = metrics_table(items, POINT, 200, 0)
    single = single[(single.metric == "auc") & (single.method == "all")].iloc[0]
    close = auc.loc["one", "two"]
    assert close.high - close.low < (single.high - single.low) / 4
    assert close.low <= 0 <= close.high
    far = auc.loc["one", "blind"]
    expected = single.value - roc_auc_score(blind["label"], blind["logit"])
    assert far.difference == pytest.approx(expected)
    assert far.low > 0


def test_the_table_of_differences_marks_the_trainings_of_one_model(tmp_path):
    names = {"one": "one", "one-training2": "one", "other": "other"}
    items = items_table()
    runs, files, points = [], [], tmp_path / "points.csv"
    write_csv(points_table(dict.fromkeys(LEVELS, items)), points)
    for number, (name, model) in enumerate(names.items()):
        runs.append({"model": name, "protocol": "all", "trained_model": model})
        files.append(tmp_path / f"{name}.csv")
        logits = items["logit"] + np.random.default_rng(number).normal(size=len(items))
        write_csv(items.assign(logit=logits), files[-1])
    config = EvaluationConfig(bootstrap=100)
    table = tmp_path / "differences.csv"
    main(Arguments(files, [points] * 3, table, runs, config, seed=0))
    found = pd.read_csv(table)
    assert list(found.columns) == DIFFERENCE_COLUMNS
    pairs = found.groupby(["model", "other"])["same_model"].agg(["min", "max"])
    assert pairs.T.to_dict("list") == {
        ("one", "one-training2"): [True, True],
        ("one", "other"): [False, False],
        ("one-training2", "other"): [False, False],
    }


def test_overview_has_a_row_per_slice():
    table = metrics_table(items_table(), POINT, 100, 0)
    table.insert(0, "model", "m")
    table.insert(1, "protocol", "p")
    lines = overview(table).splitlines()
    rows = [line for line in lines if line.startswith("| m | p |")]
    assert len(rows) == 3
    assert {line.count("|") for line in lines if line.startswith("|")} == {16}
    auc = table[(table.metric == "auc") & (table.method == "all")]["value"].item()
    assert f"| {auc:.3f} (" in rows[0]
