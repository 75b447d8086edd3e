"""Agreement with masks: equal to scikit-learn and to cases by hand; intervals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.atlases.heats import HEATS, centre_prior, constant_heats
from pipeline.atlases.mask_agreement import (
    ALL_SCORES,
    CHANGED,
    COLUMNS,
    OFFICIAL,
    SCORES,
    TRUTHS,
    agreement_table,
    mask_scores,
)
from pipeline.atlases.mask_scoring import no_scores
from pipeline.atlases.scales import SCALES

FLAT = np.ones((4, 4))


def some_picture(seed, size=24, levels=9):
    """A signed heat with ties, a random mask, and a random prior."""
    rng = np.random.default_rng(seed)
    mask = (rng.random((size, size)) < 0.3).astype(np.uint8)
    heat = np.round((rng.normal(size=(size, size)) + mask) * levels / 4)
    return heat, mask, rng.random((size, size))


def discs(count, seed, size=48):
    """Masks (count, S, S): discs of one size near the middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    middles = (size - 1) / 2 + rng.normal(0, 4, (count, 2))
    away = [np.hypot(y - row, x - column) for row, column in middles]
    return (np.array(away) < size / 5).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_rank_scores_equal_scikit_learns(seed):
    heat, mask, prior = some_picture(seed)
    found = mask_scores(heat, mask, prior)
    truth, flat = mask.ravel(), heat.ravel()
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, flat))
    precision = average_precision_score(truth, flat)
    assert found["average_precision"] == pytest.approx(precision)
    for name, shown in (("shuffled_auc", flat), ("shuffled_auc_best", truth)):
        inside = shown[truth == 1]
        labels = np.repeat([1, 0], [len(inside), len(shown)])
        weights = np.concatenate([np.ones(len(inside)), prior.ravel()])
        both = np.concatenate([inside, shown])
        expected = roc_auc_score(labels, both, sample_weight=weights)
        assert found[name] == pytest.approx(expected), name


def test_rank_accuracy_and_pointing_game_are_means_over_the_orders_of_ties():
    heat, mask, prior = some_picture(0, size=8)
    heat = np.minimum(heat, 2)
    found = mask_scores(heat, mask, prior)
    rng, truth, count = np.random.default_rng(1), mask.ravel(), int(mask.sum())
    orders = np.lexsort((rng.random((20_000, 64)), -np.tile(heat.ravel(), (20_000, 1))))
    ranked = truth[orders]
    top = ranked[:, :count].mean()
    assert found["rank_accuracy"] == pytest.approx(top, abs=0.01)
    assert found["pointing_game"] == pytest.approx(ranked[:, 0].mean(), abs=0.02)
    assert 0 < found["pointing_game"] < 1  # there are ties


def test_scores_equal_values_by_hand():
    mask = np.zeros((4, 4), np.uint8)
    mask[0] = 1
    heat = np.arange(16.0).reshape(4, 4) - 20  # all negative
    heat[0] = [6, 3, -30, -40]
    heat[3, 3] = 3
    prior = np.zeros((4, 4))
    prior[0, 1], prior[3, 3], prior[3, 0] = 0.5, 0.25, 0.25
    # Hottest first: 6 (in), 3 (in) and 3 (out) tied, eleven more (out), two in M.
    assert mask_scores(heat, mask, prior) == pytest.approx(
        {
            "relevance_mass": 9 / 12,
            "mask_share": 4 / 16,
            "lift": 3.0,
            "rank_accuracy": 2 / 4,
            "pointing_game": 1.0,
            "auroc": (12 + 11.5) / (4 * 12),
            "average_precision": (1 / 1 + 2 / 3 + 3 / 15 + 4 / 16) / 4,
            # In M, the 6 beats all, and the 3 beats (3, 0) and ties with the other two.
            "shuffled_auc": (1 + 0.25 + 0.75 / 2) / 4,
            "shuffled_auc_best": 1 - 0.5 / 2,
        }
    )


def test_undefined_scores_are_nan():
    heat, mask, prior = some_picture(0)

    def missing(*args):
        return {name for name, value in mask_scores(*args).items() if np.isnan(value)}

    assert not missing(heat, mask, prior)
    assert missing(heat, 0 * mask, prior) == set(SCORES)
    assert missing(heat, 0 * mask + 1, prior) == set(SCORES)
    assert missing(heat - 1000, mask, prior) == {"relevance_mass", "lift"}
    assert missing(heat, mask, 0 * prior) == {"shuffled_auc", "shuffled_auc_best"}
    with pytest.raises(ValueError, match="NaN or infinite"):
        mask_scores(np.where(mask, np.nan, heat), mask, prior)


def test_scores_of_random_perfect_and_opposite_heats():
    rng = np.random.default_rng(0)
    mask = discs(1, 0)[0]
    random = [mask_scores(rng.normal(size=mask.shape), mask, mask) for _ in range(60)]
    mean = pd.DataFrame(random).mean()
    assert mean["lift"] == pytest.approx(1, abs=0.03)
    assert mean["auroc"] == pytest.approx(0.5, abs=0.01)
    assert mean["rank_accuracy"] == pytest.approx(mask.mean(), abs=0.02)
    prior = discs(50, 1).mean(0)
    best = mask_scores(mask.astype(float), mask, prior)
    names = ["relevance_mass", "rank_accuracy", "pointing_game", "auroc"]
    assert [best[n] for n in [*names, "average_precision"]] == [1] * 5
    assert best["lift"] == pytest.approx(1 / mask.mean())
    assert best["shuffled_auc"] == pytest.approx(best["shuffled_auc_best"])
    assert 0.5 < best["shuffled_auc"] < 1
    worst = mask_scores(1.0 - mask, mask, prior)
    assert [worst[n] for n in names] == [0] * 4


def test_shuffled_auc_gives_the_controls_no_advantage():
    masks = discs(200, 0)
    prior = masks.mean(0)
    heats = constant_heats(len(prior), prior) | {"mask": None}
    means = {
        name: pd.DataFrame(
            mask_scores(mask.astype(float) if heat is None else heat, mask, prior)
            for mask in masks
        ).mean()
        for name, heat in heats.items()
    }
    for control in ("centre", "mean mask"):
        assert means[control]["auroc"] > 0.9
        assert means[control]["shuffled_auc"] == pytest.approx(0.5, abs=0.005)
    assert means["mask"]["shuffled_auc"] > 0.6


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_scale_of_the_heat_does_not_matter(kind):
    heat, mask, prior = some_picture(2)
    scaled = mask_scores((heat * 2.0**-10).astype(kind), mask, prior)
    assert scaled == pytest.approx(mask_scores(heat, mask, prior), rel=1e-9)


def test_the_centre_prior_is_a_round_blob_in_the_middle():
    for size in (8, 9):
        blob = centre_prior(size)
        assert np.allclose(blob, blob.T)
        assert np.allclose(blob, blob[::-1])
        assert 0.9 < blob.max() <= 1
        middle = (size - 1) / 2
        deviation = size / 4
        assert blob[0, 0] == pytest.approx(np.exp(-((middle / deviation) ** 2)))


def table_of(frames, resamples=100, seed=0):
    """`agreement_table` of a table of frames, which has a column for each score."""
    keys = ["video", "unit", "name", "outcome"]
    rows = frames.drop_duplicates(keys).reset_index(drop=True)
    places = rows.reset_index().set_index(keys)["index"]
    scores = no_scores(len(rows))
    levels = (TRUTHS, SCALES, HEATS)
    for row in frames.itertuples():
        at = [
            level.index(getattr(row, name))
            for level, name in zip(levels, LEVELS, strict=True)
        ]
        values = [getattr(row, score, np.nan) for score in ALL_SCORES]
        scores[places[row.video, row.unit, row.name, row.outcome], *at] = values
    return agreement_table(rows, scores, resamples, seed)


LEVELS = ("truth", "scale", "heat")
KEYS = {"dataset": "data", "compression": "c23", "second_unit": "", "outcome": "right"}
KEYS |= {"truth": OFFICIAL, "scale": "pixels"}


def some_frames(targets=12, seed=0):
    """Fakes of some targets by two methods: two heats, one to four frames a video."""
    rng = np.random.default_rng(seed)
    rows = []
    for target in range(targets):
        alone = target % 3 == 0  # has one fake, and a better map than the others
        quality = rng.normal(0.6, 0.1) + 0.3 * alone
        for method in ("A",) if alone else ("A", "B"):
            for frame in range(rng.integers(1, 5)):
                for heat, bonus in (("attribution", 0.1), ("centre", 0.0)):
                    scores = quality + bonus + rng.normal(0, 0.02, len(ALL_SCORES))
                    names = {"method": method, "unit": f"data/t{target}", "heat": heat}
                    names |= {"video": f"{method}/{target}", "name": str(frame)}
                    found = dict(zip(ALL_SCORES, scores, strict=True))
                    rows.append(KEYS | names | found)
    return pd.DataFrame(rows)


def chosen(table, **names):
    """The only row of the table with these values."""
    for column, value in names.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_videos_have_equal_weights_and_frames_with_a_score_are_counted():
    rows = [
        ("A", "t0", "v0", 1.0),
        ("A", "t0", "v0", 0.0),
        ("A", "t0", "v0", np.nan),
        ("A", "t1", "v1", 0.1),
        ("A", "t1", "v1", 0.1),
        ("A", "t1", "v2", 0.6),
        ("B", "t1", "v3", 0.3),
        ("real", "t2", "v4", np.nan),
    ]
    columns = ["method", "unit", "video", "relevance_mass"]
    frames = pd.DataFrame(rows, columns=columns).assign(**KEYS, heat="attribution")
    frames = frames.assign(name=frames.index.map(str), mask_share=0.2)
    frames.loc[7, "mask_share"] = np.nan
    table = table_of(frames, 100, 0)
    assert list(table) == list(COLUMNS)
    assert set(table["method"]) == {"all", "A", "B"}
    assert set(table["score"]) == {"relevance_mass", "mask_share"}
    mass = {"heat": "attribution", "score": "relevance_mass"}
    for method, value, count, units in (("all", 0.375, 6, 2), ("A", 0.4, 5, 2)):
        row = chosen(table, method=method, **mass)
        assert row["value"] == pytest.approx(value)
        assert (row["frames"], row["units"]) == (count, units)
    share = chosen(table, method="A", score="mask_share")
    assert share["frames"] == 6


def test_intervals_are_those_of_resampled_units_by_hand():
    frames = some_frames(targets=40)
    table = table_of(frames, 2000, 0)
    row = chosen(table, method="all", heat="centre", score="auroc")
    videos = frames[frames.heat == "centre"].groupby(["unit", "video"])["auroc"].mean()
    by_unit = [part.to_numpy() for _, part in videos.groupby("unit")]
    rng = np.random.default_rng(9)
    means = [
        np.concatenate([by_unit[i] for i in rng.integers(0, 40, 40)]).mean()
        for _ in range(2000)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    width = high - low
    assert row["low"] == pytest.approx(low, abs=0.15 * width)
    assert row["high"] == pytest.approx(high, abs=0.15 * width)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    few = table_of(some_frames(targets=4), 2000, 0)
    assert few["value"].notna().all()
    assert few[["low", "high"]].isna().all(axis=None)


def test_each_truth_has_its_own_rows():
    frames = some_frames()
    changed = frames.assign(truth=CHANGED, auroc=frames["auroc"] + 0.1)
    table = table_of(pd.concat([frames, changed]), 100, 0)
    official = table[table["truth"] == OFFICIAL].reset_index(drop=True)
    pd.testing.assert_frame_equal(official, table_of(frames, 100, 0))
    names = {"method": "all", "heat": "centre", "score": "auroc"}
    values = [chosen(table, truth=t, **names)["value"] for t in (OFFICIAL, CHANGED)]
    assert values[1] - values[0] == pytest.approx(0.1)


def test_at_the_shown_scale_compared_scores_are_split_by_outcome():
    frames = some_frames()
    wrong = frames.assign(video="w" + frames["video"], outcome="wrong", auroc=0.1)
    both = pd.concat([frames, wrong]).assign(scale="blur")
    table = table_of(both, 100, 0)
    names = {"method": "all", "heat": "attribution", "score": "auroc"}
    values = {o: chosen(table, outcome=o, **names) for o in ("all", "right", "wrong")}
    assert values["wrong"]["value"] == pytest.approx(0.1)
    assert values["right"]["value"] > 0.6
    counts = {name: row["frames"] for name, row in values.items()}
    assert counts["all"] == counts["right"] + counts["wrong"]
    assert "pointing_game" not in set(table[table["outcome"] == "right"]["score"])
    assert set(table_of(frames, 100, 0)["outcome"]) == {"all"}


def test_differences_are_paired():
    frames = some_frames()
    table = table_of(frames, 1000, 0)
    rows = {
        heat: chosen(table, method="A", heat=heat, score="auroc")
        for heat in ("attribution", "centre", "attribution - centre")
    }
    change = rows["attribution"]["value"] - rows["centre"]["value"]
    paired = rows["attribution - centre"]
    assert paired["value"] == pytest.approx(change)
    assert paired["frames"] == rows["attribution"]["frames"]
    # The differences between targets are in both heats, so they cancel out.
    width = paired["high"] - paired["low"]
    assert width < 0.4 * (rows["centre"]["high"] - rows["centre"]["low"])
    assert paired["low"] > 0
    assert not (table["heat"] == "attribution - mean mask").any()
    alone = (frames["heat"] == "centre") & (frames["video"] == "A/1")
    table = table_of(frames.assign(auroc=frames["auroc"].mask(alone)), 100, 0)
    left = chosen(table, method="A", heat="attribution - centre", score="auroc")
    assert left["frames"] == paired["frames"] - alone.sum()
    assert left["units"] == 11


def test_the_order_of_rows_does_not_matter_and_data_sets_are_separate():
    frames = some_frames()
    table = table_of(frames, 200, 3)
    shuffled = frames.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(table, table_of(shuffled, 200, 3))
    assert not table["low"].equals(table_of(frames, 200, 4)["low"])
    both = pd.concat(
        [
            frames,
            frames.assign(
                dataset="other", video="o/" + frames.video, unit="o" + frames.unit
            ),
        ]
    )
    wide = table_of(both, 200, 3)
    assert set(wide["dataset"]) == {"all", "data", "other"}
    own = wide[wide["dataset"] == "data"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, table)
    # In the other data set, t0 is another person.
    assert wide.loc[wide["dataset"] == "all", "units"].max() == 24


def test_no_frames_give_an_empty_table_with_a_header():
    table = table_of(some_frames().iloc[:0])
    assert table.empty
    assert list(table) == list(COLUMNS)
    unknown = some_frames().assign(**dict.fromkeys(ALL_SCORES, np.nan))
    assert list(table_of(unknown, 100, 0)) == list(COLUMNS)
