"""Controls in tables: heats at scales, paired specificity, effects of regions."""

import numpy as np
import pandas as pd
import pytest

from pipeline.atlases.heats import (
    ABSOLUTE,
    ATTRIBUTION,
    CENTRE,
    CHANGE,
    EDGES,
    HEATS,
    MEAN_MASK,
    RANDOM,
    FrameHeats,
    edges,
)
from pipeline.atlases.intervention_figure import plot_interventions
from pipeline.atlases.intervention_tables import curve_effect_table, region_effect_table
from pipeline.atlases.mask_agreement import (
    ALL_SCORES,
    PAIRED_SPECIFICITY,
    mask_scores,
    paired_specificity,
)
from pipeline.atlases.mask_scoring import MaskScorer
from pipeline.atlases.registration import labels_of_crops, register
from pipeline.atlases.scales import SCALES, at_scale, mask_at_scale, share_of_squares
from pipeline.statistics.pooling import pool_maps

SIDE = 48
PRIOR = np.linspace(0, 1, SIDE)[None] * np.ones((SIDE, 1))


def heats_of(seed, random=True):
    rng = np.random.default_rng(seed)
    crop = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    maps = rng.normal(size=(3, SIDE, SIDE))
    return FrameHeats(maps[0], np.abs(maps[1]), crop, maps[2] if random else None)


def masks():
    official = np.zeros((SIDE, SIDE), np.uint8)
    official[10:30, 8:33] = 1
    changed = np.zeros_like(official)
    changed[12:20, 10:20] = 1
    return official, changed


def test_each_heat_is_scored_at_each_scale_as_by_itself():
    frame, (official, changed) = heats_of(0), masks()
    found = MaskScorer(SIDE, PRIOR).score(frame, official, changed)
    raw = {
        ATTRIBUTION: frame.attribution,
        CHANGE: frame.change,
        EDGES: edges(frame.crop),
        RANDOM: frame.random,
        MEAN_MASK: PRIOR,
    }
    for number, scale in enumerate(SCALES):
        prior = share_of_squares(PRIOR) if scale == "squares" else PRIOR
        for name, heat in raw.items():
            expected = mask_scores(
                at_scale(heat, scale), mask_at_scale(official, scale), prior
            )
            values = dict(
                zip(ALL_SCORES, found[0, number, HEATS.index(name)], strict=True)
            )
            assert np.isnan(values.pop(PAIRED_SPECIFICITY))  # no real frame is known
            assert values == pytest.approx(expected, rel=1e-5)
        scaled = np.abs(at_scale(frame.attribution, scale))
        expected = mask_scores(scaled, mask_at_scale(changed, scale), 0 * prior)
        place = 1, number, HEATS.index(ABSOLUTE), ALL_SCORES.index("auroc")
        assert found[place] == pytest.approx(expected["auroc"], rel=1e-5)
    without = MaskScorer(SIDE, None).score(heats_of(0, random=False), official, changed)
    unknown = ~np.isfinite(without).any((0, 1, 3))
    assert set(np.array(HEATS)[unknown]) == {RANDOM, MEAN_MASK}


def test_heats_that_do_not_depend_on_the_frame_have_no_specificity():
    frame, real, (official, changed) = heats_of(0), heats_of(1), masks()
    found = MaskScorer(SIDE, PRIOR).score(frame, official, changed, real)
    specificity = found[..., ALL_SCORES.index(PAIRED_SPECIFICITY)]
    for name in (CENTRE, MEAN_MASK):
        assert (specificity[..., HEATS.index(name)] == 0).all()
    own = specificity[0, 0, HEATS.index(ATTRIBUTION)]
    inside, pair = official > 0, (frame.attribution, real.attribution)
    apart = pair[0] - pair[1]
    size = np.mean([np.abs(one).sum() for one in pair])
    expected = apart[inside].sum() - inside.mean() * apart.sum()
    assert own == pytest.approx(expected / size, rel=1e-4)
    same = MaskScorer(SIDE, PRIOR).score(frame, official, changed, frame)
    values = same[..., ALL_SCORES.index(PAIRED_SPECIFICITY)]
    assert (values == 0).all()


def test_a_difference_inside_the_mask_is_specific_and_an_even_one_is_not():
    mask = masks()[0]
    noise = np.random.default_rng(0).normal(0, 0.01, mask.shape)
    assert paired_specificity(noise + mask, noise, mask) == pytest.approx(1.5, abs=0.1)
    assert paired_specificity(noise + 1, noise, mask) == pytest.approx(0, abs=0.01)
    assert paired_specificity(noise + (1 - mask), noise, mask) < -0.3
    assert np.isnan(paired_specificity(noise, noise, 0 * mask))


def test_edges_are_where_the_brightness_changes():
    crop = np.zeros((16, 16, 3), np.uint8)
    crop[:, 8:] = 200
    found = edges(crop)
    assert set(np.flatnonzero(found.any(0))) == {7, 8}


@pytest.mark.parametrize("size", [20, 32, 50])
def test_squares_keep_sums_and_half_covered_squares_are_in_the_mask(size):
    mask = np.zeros((size, size), np.uint8)
    mask[:, : size // 2] = 1
    share = share_of_squares(mask)
    assert share.min() == 0
    assert share.max() == pytest.approx(1)
    found = mask_at_scale(mask, "squares")
    assert found.mean() == pytest.approx(0.5, abs=0.02)
    assert at_scale(mask.astype(float), "squares").sum() == pytest.approx(mask.sum())
    assert found.shape == pool_maps(mask).shape


def test_crops_have_the_labels_of_the_places_that_their_pixels_move_to():
    labels = np.arange(24 * 24).reshape(24, 24) % 100
    turn = np.array([[0.9, -0.2, 3.0], [0.2, 0.9, -2.0]])
    found = labels_of_crops(labels.astype(np.int8), turn[None], 24, beyond=101)[0]
    for pixel in ((12, 12), (5, 18), (20, 9)):
        spot = np.zeros((24, 24))
        spot[pixel] = 1.0
        moved, lost = register(spot, turn, 24)
        assert lost == 0
        at = np.unravel_index(moved.argmax(), moved.shape)
        assert found[pixel] == labels[at]
    assert (found == 101).any()


def interventions():
    """Regions and curves of four fakes of two units each by two methods."""
    keys = {"dataset": "d", "compression": "c", "second_unit": "", "subject": 0}
    regions, curves = [], []
    for number in range(32):
        method = "AB"[number % 2]
        own = keys | {"method": method, "unit": f"d/{number // 2}", "number": 0}
        own |= {"video": f"{method}/{number}", "fake_logit": 3.0}
        own |= {"original_logit": -1.0}
        for region, does in (("mouth", 2.5), ("nose", 0.5 + number % 2)):
            effect = {"removal": does, "insertion": does + 1, "map_logits": does}
            regions.append(own | {"region": region} | effect)
        for order, first in (("black", 1.0), ("random", 0.0), ("centre", 0.5)):
            for fraction in (0.1, 0.2):
                reached = {"insertion": first + fraction, "deletion": 2 - first}
                curves.append(own | {"order": order, "fraction": fraction} | reached)
        change = {"order": "|x - original|", "fraction": 0.1}
        curves.append(own | change | {"insertion": 0.0, "deletion": 1.0})
    return pd.DataFrame(regions), pd.DataFrame(curves)


def test_effects_of_regions_are_means_with_their_sums_beside(tmp_path):
    regions, curves = interventions()
    table = region_effect_table(regions, 200, 0)
    values = table.set_index(["method", "region", "measure"])["value"]
    assert values["A", "nose", "map"] == pytest.approx(0.5)
    assert values["B", "nose", "map"] == pytest.approx(1.5)
    assert values["all", "nose", "removal"] == pytest.approx(1.0)
    assert values["all", "all", "insertion"] == pytest.approx(5.5)
    assert values["all", "all", "change"] == pytest.approx(4.0)
    assert values["all", "all", "correlation"] == pytest.approx(1.0)
    assert table["low"].notna().all()
    (both,) = set(table.loc[table["method"] == "all", "units"])
    assert both == 16
    found = curve_effect_table(curves, 200, 0)
    values = found.set_index(["method", "order", "fraction", "curve"])["value"]
    assert values["all", "black", "0.2", "insertion"] == pytest.approx(2.2)
    assert values["all", "black", "mean", "insertion"] == pytest.approx(2.15)
    assert values["all", "black - random", "mean", "insertion"] == pytest.approx(1.0)
    assert values["all", "black", "0.1", "deletion"] == pytest.approx(2.0)
    path = tmp_path / "i.png"
    plot_interventions(table, found, title="$t$", path=path)
    assert path.stat().st_size > 20_000


def test_without_a_pair_the_tables_are_empty_and_the_figure_is_drawn(tmp_path):
    regions, curves = (table.iloc[:0] for table in interventions())
    effects = region_effect_table(regions, 100, 0)
    found = curve_effect_table(curves, 100, 0)
    assert effects.empty
    assert found.empty
    plot_interventions(effects, found, title="t", path=tmp_path / "i.png")
