"""Single frames worth showing: the surest right, the surest wrong, the most typical."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL, OUTCOMES, read_sample
from pipeline.atlases.registration import matrices_of, warp
from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard


@dataclass(frozen=True)
class Frame:
    """One explained frame with all that is known of it."""

    row: pd.Series  # of the table of frames
    map: np.ndarray  # (S, S) float32
    crop: np.ndarray  # (S, S, 3) uint8
    mask: np.ndarray  # (S, S) uint8
    to_canonical: np.ndarray  # (2, 3): from px of the crop to px of an S x S grid

    def canonical_crop(self) -> np.ndarray:
        """The crop as registered maps see it, (S, S, 3) uint8."""
        return warp(self.crop, self.to_canonical, len(self.crop))


def read_frames(
    rows: pd.DataFrame, attributions: Sequence[Path], faces: Sequence[Path]
) -> list[Frame]:
    """The frames of `rows` (columns shard, place and crop), in their order.

    `attributions` and `faces` are the test shards; a shard is known by its file's name.
    """
    maps_of, faces_of = ({p.stem: p for p in paths} for paths in (attributions, faces))
    found: dict[int, Frame] = {}
    numbered = rows.reset_index(drop=True)
    for name, part in numbered.groupby("shard"):
        with (
            AttributionShard(maps_of[name]) as maps,
            FaceShard(faces_of[name]) as shard,
        ):
            for index, row in part.iterrows():
                map = maps.maps[row["place"]].astype(np.float32)
                crop, mask = shard.crops[row["crop"]], shard.masks[row["crop"]]
                (matrix,) = matrices_of(shard, [row["crop"]], len(crop))
                found[index] = Frame(row, map, crop, mask, matrix)
    return [found[index] for index in numbered.index]


def likeness(map: np.ndarray, mean: np.ndarray) -> float:
    """Cosine of the angle between a map and a mean map, -1..1."""
    norm = np.linalg.norm(map) * np.linalg.norm(mean)
    return float((map * mean).sum() / norm) if norm else 0.0


def pick_examples(
    frames: pd.DataFrame, typical: pd.Series, count: int
) -> Mapping[str, pd.DataFrame]:
    """Rows of the table of frames for the gallery, at most one frame a video.

    `typical` is the likeness of frames to the mean map of their cell, by the same
    index; frames that it lacks are not among the most typical.
    """
    surest = frames["margin"]
    rows = {}
    for outcome in OUTCOMES:
        for label, kind in ((1, "fake"), (0, "real")):
            part = frames[(frames.outcome == outcome) & (frames.label == label)]
            called = (
                kind if outcome == "right" else {"fake": "real", "real": "fake"}[kind]
            )
            rows[f"{kind},\ncalled {called}:\nsurest"] = _best(part, surest, count)
    for label, kind in ((1, "fake"), (0, "real")):
        part = frames[(frames.outcome == "right") & (frames.label == label)]
        part = part[part.index.isin(typical.index)]
        rows[f"{kind},\ncalled {kind}:\nmost typical"] = _best(part, typical, count)
    return {title: part for title, part in rows.items() if len(part)}


def _best(table: pd.DataFrame, merit: pd.Series, count: int) -> pd.DataFrame:
    order = merit[table.index].sort_values(ascending=False, kind="stable").index
    return table.loc[order].drop_duplicates("video").head(count)


def typical_of(sample: object, cells: list) -> pd.Series:
    """How like its cell's mean map each sampled map is, by the row of its frame."""
    maps, rows = read_sample(sample)
    mean = {tuple(getattr(c, key) for key in CELL): c.pooled for c in cells}
    keys = rows[CELL].itertuples(index=False, name=None)
    values = [likeness(m, mean[key]) for m, key in zip(maps, keys, strict=True)]
    return pd.Series(values, index=rows["frame"], dtype=float)
