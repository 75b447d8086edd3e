"""Choose and read the single frames that the gallery shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import (
    CELL_KEYS,
    FORMAT,
    OUTCOMES,
    VERSION,
    read_sample,
)
from pipeline.atlases.registration import matrices_of, warp
from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard
from pipeline.files.hdf5 import open_marked

KINDS = {1: "fake", 0: "real"}  # by label


@dataclass(frozen=True)
class Frame:
    """One explained frame.

    Attributes:
        row: its row of the table of frames.
        heatmap: (S, S) float32 logits.
        crop: (S, S, 3) uint8.
        mask: (S, S) uint8.
        to_canonical: (2, 3): from px of the crop to px of an S x S canonical grid.
    """

    row: pd.Series
    heatmap: np.ndarray
    crop: np.ndarray
    mask: np.ndarray
    to_canonical: np.ndarray

    def canonical_crop(self) -> np.ndarray:
        """The crop on the canonical grid, (S, S, 3) uint8."""
        return warp(self.crop, self.to_canonical, len(self.crop))


def read_frames(
    rows: pd.DataFrame, attributions: Sequence[Path], faces: Sequence[Path]
) -> list[Frame]:
    """Read the frames of `rows` (columns shard, place and crop), in their order.

    `attributions` and `faces` are the files of the test shards; a shard's name is the
    stem of its file.
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
                heatmap = maps.maps[row["place"]].astype(np.float32)
                crop, mask = shard.crops[row["crop"]], shard.masks[row["crop"]]
                (matrix,) = matrices_of(shard, [row["crop"]], len(crop))
                found[index] = Frame(row, heatmap, crop, mask, matrix)
    return [found[index] for index in numbered.index]


def cosine_similarity(heatmap: np.ndarray, mean: np.ndarray) -> float:
    """Cosine of the angle between two maps of the same shape, -1..1; 0 if one is 0."""
    norm = np.linalg.norm(heatmap) * np.linalg.norm(mean)
    return float((heatmap * mean).sum() / norm) if norm else 0.0


def pick_examples(
    frames: pd.DataFrame, similarity: pd.Series, count: int
) -> Mapping[str, pd.DataFrame]:
    """Choose rows of the table of frames for the gallery, by the title of their row.

    At most `count` frames, and one of each video, with the largest margins and with the
    most typical maps. `similarity` is `mean_similarity`: frames without a value are not
    candidates for the most typical maps.
    """
    rows = {}
    for outcome in OUTCOMES:
        for label, kind in KINDS.items():
            part = frames[(frames.outcome == outcome) & (frames.label == label)]
            called = KINDS[label if outcome == "right" else 1 - label]
            title = f"{kind},\ncalled {called}:\nmost certain"
            rows[title] = _best(part, frames["margin"], count)
    for label, kind in KINDS.items():
        part = frames[(frames.outcome == "right") & (frames.label == label)]
        part = part[part.index.isin(similarity.index)]
        title = f"{kind},\ncalled {kind}:\nmost typical"
        rows[title] = _best(part, similarity, count)
    return {title: part for title, part in rows.items() if len(part)}


def _best(table: pd.DataFrame, merit: pd.Series, count: int) -> pd.DataFrame:
    order = merit[table.index].sort_values(ascending=False, kind="stable").index
    return table.loc[order].drop_duplicates("video").head(count)


def mean_similarity(sample: Path, arrays: Path) -> pd.Series:
    """The cosine similarity of each sampled map with the mean map of its cell.

    `sample` is the file `sample.h5`, and `arrays` the file `arrays.h5`. Only the pooled
    means of `arrays` are read. The index is the row in the table of frames.
    """
    with open_marked(arrays, FORMAT, VERSION) as file:
        means = {
            tuple(str(group.attrs[key]) for key in CELL_KEYS): group["pooled"][:]
            for group in file.get("cells", {}).values()
        }
    maps, rows = read_sample(sample)
    keys = rows[CELL_KEYS].astype(str).itertuples(index=False, name=None)
    values = [cosine_similarity(m, means[k]) for m, k in zip(maps, keys, strict=True)]
    return pd.Series(values, index=rows["frame"], dtype=float)
