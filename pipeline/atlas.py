"""Aggregate attribution maps over the test set: means, agreement with masks, examples.

Signed maps add up: the sum over a cell's mean map is the mean of its frames' change of
the logit, F(x) - F(baseline), as far as the integrals have converged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.attribution_shards import AttributionShard
from pipeline.face_shards import FaceShard

OUTCOMES = ("right", "wrong")


@dataclass
class Cell:
    """Sums over the frames of one method with one outcome."""

    frames: int
    map: np.ndarray  # (S, S) float64: sum of signed maps
    face: np.ndarray  # (S, S, 3) float64: sum of crops
    mask: np.ndarray  # (S, S) float64: sum of masks
    masks: int = 0  # frames of which the mask is known

    def mean_map(self) -> np.ndarray:
        """Mean attribution in logits, (S, S)."""
        return self.map / self.frames

    def mean_face(self) -> np.ndarray:
        """Mean crop, (S, S, 3) uint8."""
        return np.rint(self.face / self.frames).astype(np.uint8)

    def mean_mask(self) -> np.ndarray:
        """Share of the frames with a mask that it marks at each pixel, (S, S) 0..1."""
        return self.mask / max(self.masks, 1)


@dataclass(frozen=True)
class Frame:
    """One explained frame with all that is known of it."""

    row: pd.Series  # of the attribution shard's table, with `outcome` and `shard`
    map: np.ndarray  # (S, S) float32
    crop: np.ndarray  # (S, S, 3) uint8
    mask: np.ndarray  # (S, S) uint8


def explained_frames(
    attributions: Sequence[Path], faces: Sequence[Path], threshold: float
) -> Iterator[Frame]:
    """All frames of matching attribution and face shards, one in memory at a time.

    `threshold` is the logit from which a frame counts as fake.
    """
    for number, (maps_path, faces_path) in enumerate(
        zip(attributions, faces, strict=True)
    ):
        with AttributionShard(maps_path) as maps, FaceShard(faces_path) as shard:
            if not len(maps.maps):  # no video fell into this shard
                continue
            table = maps.frames
            fake = table["logit"] >= threshold
            right = fake == (table["label"] == 1)
            table = table.assign(outcome=np.where(right, *OUTCOMES), shard=number)
            for index, row in table.iterrows():
                crop = row["crop"]
                yield Frame(
                    row,
                    maps.maps[index].astype(np.float32),
                    shard.crops[crop],
                    shard.masks[crop],
                )


def sum_cells(
    frames: Iterator[Frame],
) -> tuple[dict[tuple[str, str], Cell], pd.DataFrame]:
    """Sum maps, faces and masks by (method, outcome); keep each frame's numbers.

    The table has one row a frame: the attribution shard's columns, outcome, and the
    shares of mask_agreement.
    """
    cells: dict[tuple[str, str], Cell] = {}
    rows = []
    for frame in frames:
        size = len(frame.map)
        cell = cells.setdefault(
            (frame.row["method"], frame.row["outcome"]),
            Cell(0, *(np.zeros((size, size, *c)) for c in ((), (3,), ()))),
        )
        cell.frames += 1
        cell.map += frame.map
        cell.face += frame.crop
        cell.mask += frame.mask
        cell.masks += int(frame.row["has_mask"])
        share = mask_agreement(frame.map, frame.mask)
        rows.append(dict(frame.row) | share)
    return dict(sorted(cells.items())), pd.DataFrame(rows)


def mask_agreement(map: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How much of the positive attribution falls into the manipulated region.

    `mask_share` is the mask's share of the area, `attribution_share` the share of the
    positive attribution inside it (relevance mass); both NaN where the mask is empty.
    """
    positive = np.clip(map, 0, None)
    if not mask.any() or not positive.any():
        return {"mask_share": np.nan, "attribution_share": np.nan}
    return {
        "mask_share": float(mask.mean()),
        "attribution_share": float(positive[mask > 0].sum() / positive.sum()),
    }


def cell_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a method x outcome: counts, mean logits, and how complete the maps are.

    `explained_share` is the part of the mean change of the logit that the cell's mean
    map adds up to: its certificate. 1 is complete.
    """
    table = table.assign(change=table["logit"] - table["baseline_logit"])
    grouped = table.groupby(["method", "label", "outcome"])
    cells = grouped.agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        mean_logit=("logit", "mean"),
        mean_baseline_logit=("baseline_logit", "mean"),
        mean_change=("change", "mean"),
        mean_attribution_sum=("attribution_sum", "mean"),
        median_completeness_error=("completeness_error", "median"),
        converged_share=("converged", "mean"),
    ).reset_index()
    share = cells["mean_attribution_sum"] / cells["mean_change"]
    return cells.assign(explained_share=share)


def agreement_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a method: the attribution's share in the mask against the mask's share.

    `lift` is the ratio of the two means: 1 is what a map that ignores the mask gets.
    """
    known = table.dropna(subset=["mask_share"])
    methods = known.groupby("method").agg(
        frames=("video", "size"),
        videos=("video", "nunique"),
        mask_share=("mask_share", "mean"),
        attribution_share=("attribution_share", "mean"),
    )
    lift = methods["attribution_share"] / methods["mask_share"]
    return methods.assign(lift=lift).reset_index()


def pick_examples(
    table: pd.DataFrame, typical: pd.Series, count: int
) -> dict[str, pd.DataFrame]:
    """Rows of `table` for the gallery, at most one frame a video.

    `typical` is each frame's likeness to the mean map of its cell.
    """
    surest = table["logit"].abs()
    rows = {}
    for outcome in OUTCOMES:
        for label, kind in ((1, "fake"), (0, "real")):
            part = table[(table.outcome == outcome) & (table.label == label)]
            called = (
                kind if outcome == "right" else {"fake": "real", "real": "fake"}[kind]
            )
            rows[f"{kind},\ncalled {called}:\nsurest"] = _best(part, surest, count)
    for label, kind in ((1, "fake"), (0, "real")):
        part = table[(table.outcome == "right") & (table.label == label)]
        rows[f"{kind},\ncalled {kind}:\nmost typical"] = _best(part, typical, count)
    return {title: part for title, part in rows.items() if len(part)}


def _best(table: pd.DataFrame, merit: pd.Series, count: int) -> pd.DataFrame:
    order = merit[table.index].sort_values(ascending=False, kind="stable").index
    return table.loc[order].drop_duplicates("video").head(count)


def likeness(map: np.ndarray, mean: np.ndarray) -> float:
    """Cosine of the angle between a map and a mean map, -1..1."""
    norm = np.linalg.norm(map) * np.linalg.norm(mean)
    return float((map * mean).sum() / norm) if norm else 0.0
