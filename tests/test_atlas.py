"""Atlases: means that add up, agreement with masks, examples worth showing."""

import numpy as np
import pandas as pd
import pytest

from pipeline.atlas import (
    Frame,
    agreement_table,
    cell_table,
    likeness,
    mask_agreement,
    pick_examples,
    sum_cells,
)
from pipeline.overlays import overlay


def frames(count=12, size=16):
    rng = np.random.default_rng(0)
    for index in range(count):
        map = rng.normal(size=(size, size)).astype(np.float32)
        label = index % 2
        row = pd.Series(
            {
                "video": f"v{index // 2}{label}",
                "method": "A" if label else "real",
                "label": label,
                "has_mask": bool(label),
                "outcome": "right" if index % 3 else "wrong",
                "logit": float(map.sum()) + 1.0,
                "baseline_logit": 1.0,
                "attribution_sum": float(map.sum()),
                "completeness_error": 0.0,
                "converged": True,
            }
        )
        crop = np.full((size, size, 3), index % 256, np.uint8)
        mask = np.zeros((size, size), np.uint8)
        mask[: size // 2] = label
        yield Frame(row, map, crop, mask)


def test_cells_are_the_means_of_their_frames():
    cells, table = sum_cells(frames())
    members = [f for f in frames() if (f.row.method, f.row.outcome) == ("A", "right")]
    cell = cells["A", "right"]
    assert cell.frames == len(members)
    assert np.allclose(cell.mean_map(), np.mean([f.map for f in members], axis=0))
    assert cell.mean_mask()[0, 0] == 1
    assert sum(c.frames for c in cells.values()) == len(table) == 12


def test_a_cell_map_adds_up_to_its_mean_change_of_the_logit():
    cells, table = sum_cells(frames())
    for row in cell_table(table).itertuples():
        total = cells[row.method, row.outcome].mean_map().sum()
        assert total == pytest.approx(row.mean_change, rel=1e-4)
        assert row.explained_share == pytest.approx(1, rel=1e-4)


def test_mask_agreement_by_hand():
    mask = np.zeros((4, 4), np.uint8)
    mask[0] = 1
    map = np.full((4, 4), -1.0)
    map[0, 0], map[3, 3] = 3.0, 1.0
    assert mask_agreement(map, mask) == {"mask_share": 0.25, "attribution_share": 0.75}
    assert np.isnan(mask_agreement(map, 0 * mask)["mask_share"])


def test_a_map_that_ignores_the_mask_has_a_lift_of_one():
    _, table = sum_cells(frames(count=400))
    agreement = agreement_table(table)
    assert agreement["method"].tolist() == ["A"]  # real faces have no mask
    assert agreement["lift"].item() == pytest.approx(1, abs=0.05)


def test_examples_are_of_different_videos_the_surest_first():
    _, table = sum_cells(frames())
    typical = pd.Series(np.arange(12.0))
    for title, rows in pick_examples(table, typical, 3).items():
        assert rows["video"].is_unique
        assert len(rows) <= 3
        if "surest" in title:
            strength = rows["logit"].abs().tolist()
            assert strength == sorted(strength, reverse=True)


def test_likeness():
    map = np.random.default_rng(0).normal(size=(8, 8))
    assert likeness(map, 3 * map) == pytest.approx(1)
    assert likeness(map, -map) == pytest.approx(-1)
    assert likeness(map, 0 * map) == 0


def test_overlay_shows_the_face_where_there_is_nothing_and_the_sign_elsewhere():
    face = np.full((32, 32, 3), 128, np.uint8)
    map = np.zeros((32, 32), np.float32)
    map[4:12, 4:12], map[20:28, 20:28] = 1, -1
    shown = overlay(map, face, 1.0, "RdBu_r", 0.7)
    assert shown[16, 16] == pytest.approx([128 / 255] * 3, abs=0.01)
    red, blue = shown[8, 8], shown[24, 24]
    assert red[0] > red[2] + 0.15
    assert blue[2] > blue[0] + 0.15
