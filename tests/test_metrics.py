"""Metrics: scikit-learn's, and cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.metrics import auc_interval, equal_error_rate, metrics_table, score
from pipeline.prediction import video_table


def test_equal_error_rate_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert equal_error_rate(labels, np.arange(8.0)) == 0.0
    assert equal_error_rate(labels, -np.arange(8.0)) == 1.0
    # One of four on the wrong side, both ways.
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


def test_scores_by_hand():
    labels = np.array([0, 0, 1, 1])
    logits = np.array([-2.0, 1.0, -1.0, 3.0])
    values = score(labels, logits, 0.5)
    chance = 1 / (1 + np.exp(-logits))
    assert values["auc"] == 0.75
    assert values["accuracy"] == 0.5
    assert values["f1"] == 0.5
    assert values["brier"] == pytest.approx(((chance - labels) ** 2).mean())


def test_video_is_known_by_its_whole_id():
    """Two methods' fakes of one pair share a file name, and are two videos."""
    frames = pd.DataFrame(
        {
            "video": ["d/c23/A/000_001"] * 2 + ["d/c23/B/000_001"],
            "label": 1,
            "number": [1, 2, 1],
            "logit": [1.0, 3.0, -1.0],
        }
    )
    videos = video_table(frames)
    assert videos["logit"].tolist() == [2.0, -1.0]
    assert videos["frames"].tolist() == [2, 1]


def test_table_has_every_slice_with_its_counts():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(
        {
            "label": [0] * 20 + [1] * 30,
            "method": ["real"] * 20 + ["A"] * 15 + ["B"] * 15,
            "target": [str(i % 10) for i in range(50)],
            "logit": rng.normal(size=50),
        }
    )
    table = metrics_table({"video": items}, 0.5, 100, 0)
    assert set(table["method"]) == {"all", "A", "B"}
    part = items[items.method != "B"]
    row = table[(table.method == "A") & (table.metric == "auc")].iloc[0]
    assert row.value == roc_auc_score(part.label, part.logit)
    assert (row.real, row.fake) == (20, 15)
    assert row.low <= row.value <= row.high


def test_interval_covers_chance_for_scores_that_know_nothing():
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        items = pd.DataFrame(
            {
                "label": rng.integers(0, 2, 120),
                "target": np.arange(120) % 40,
                "logit": rng.normal(size=120),
            }
        )
        low, high = auc_interval(items, 100, seed)
        inside += low <= 0.5 <= high
    assert inside >= 16
