"""Reduce attribution maps to the cells of an atlas, shard by shard.

Signed maps add up: the sum over a cell's mean map, and what registration has put beside
the grid, is the mean of its frames' change of the logit, F(x) - F(baseline), as far as
the integrals have converged. All sums are of frames in the order of their shard, and
shards are merged in the order of their names: the same bits however they are given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL, OUTCOMES, CellArrays
from pipeline.atlases.cells import Cell, Registered, merged
from pipeline.atlases.mask_agreement import (
    ATTRIBUTION,
    SCORES,
    control_heats,
    mask_scores,
)
from pipeline.atlases.pooling import POOLED, pooled
from pipeline.atlases.regions import REGIONS
from pipeline.atlases.registration import matrices_of, register, warp
from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard
from pipeline.statistics.moments import Moments, Sketch, tree_merge
from pipeline.statistics.poisson_bootstrap import Replicates, weights
from pipeline.statistics.sampling import keep_sample
from pipeline.statistics.significance import significant_difference
from pipeline.videos.table import REAL, persons

GRID = 128  # px of the canonical face at most
REPLICATES = 400
SAMPLE = 2000  # maps that are kept for clusters and ranks
KEY = ["video", "subject", "number"]  # of a frame


@dataclass(frozen=True)
class ShardSums:
    """What a shard comes to."""

    cells: dict[tuple, Cell]
    frames: pd.DataFrame  # a row a frame
    scores: pd.DataFrame  # a row a frame and heat: agreement with its mask
    sample: np.ndarray  # (n, P, P) float32
    sampled: pd.DataFrame  # their rows


def cell_of(
    frames: Registered,
    video: str,
    identity: str,
    drawn: np.ndarray,
    regions: np.ndarray,
) -> Cell:
    """The cell of one video's frames; `drawn` (B,) are its identity's weights."""
    squares = np.stack([pooled(map, POOLED) for map in frames.maps])
    parts = np.column_stack([region_sums(frames.maps, regions), frames.lost])
    return Cell(
        videos=frozenset([video]),
        signed=Moments.of(frames.maps),
        absolute=Moments.of(np.abs(frames.maps)),
        sketch=Sketch.of(frames.maps),
        face=frames.faces.sum(0, dtype=np.float64),
        mask=frames.masks.sum(0, dtype=np.float64),
        masks=int(frames.has_mask.sum()),
        squares=Replicates.of(squares.reshape(len(squares), -1), drawn),
        regions=Replicates.of(parts, drawn),
        sums=parts.sum(0),
        people=frozenset([identity]),
    )


def sum_shard(
    attributions: Path,
    faces: Path,
    mean_mask: np.ndarray,
    threshold: float,
    regions: np.ndarray,
    seed: int,
) -> ShardSums:
    """Reduce a shard, one video in memory at a time.

    `threshold` is the logit from which a frame counts as fake, `mean_mask` (S, S) the
    training set's, and `regions` (G, G) what each pixel of the canonical grid is.
    """
    cells: dict[tuple, Cell] = {}
    with AttributionShard(attributions) as shard, FaceShard(faces) as crops:
        heats = {ATTRIBUTION: None, **control_heats(mean_mask)}
        table = told(shard.frames, threshold, attributions.stem)
        lost = np.zeros(len(table))
        scores = np.zeros((len(table), len(heats), len(SCORES)))
        chosen = np.flatnonzero(keep_sample(table[KEY], SAMPLE))
        place_of = {place: number for number, place in enumerate(chosen)}
        side = min(len(regions), POOLED)
        sample = np.zeros((len(chosen), side, side), np.float32)
        for name, video in table.groupby("video", sort=False):
            places = video["place"].to_numpy()
            raw = shard.maps[places].astype(np.float64)
            masks = crops.masks[video["crop"]]
            frames = registered(raw, masks, video, crops, len(regions))
            identity = persons(video).iloc[0]
            (drawn,) = weights([identity], REPLICATES, seed)
            for outcome, part in video.reset_index(drop=True).groupby("outcome"):
                key = (*part.iloc[0][CELL[:-1]], outcome)
                some = _rows(frames, part.index)
                cell = cell_of(some, name, identity, drawn, regions)
                cells[key] = merged(cells[key], cell) if key in cells else cell
            lost[places] = frames.lost
            scores[places] = _scores(raw, masks, mean_mask, heats.values())
            for place, map in zip(places, frames.maps, strict=True):
                if place in place_of:
                    sample[place_of[place]] = pooled(map)
    own = dict(zip(SCORES, scores[:, 0].T, strict=True))
    table = table.assign(**own, lost=lost)
    return ShardSums(
        dict(sorted(cells.items())),
        table,
        _long(table, scores, list(heats)),
        sample,
        table.iloc[chosen].reset_index(drop=True),
    )


def told(frames: pd.DataFrame, threshold: float, shard: str) -> pd.DataFrame:
    """The table of a shard's frames with outcome, shard, and place in the shard.

    Its column `margin` is by how many logits a frame is on the side it was told to be.
    """
    right = (frames["logit"] >= threshold) == (frames["label"] == 1)
    return frames.assign(
        outcome=np.where(right, *OUTCOMES),
        margin=(frames["logit"] - threshold).abs(),
        shard=shard,
        place=np.arange(len(frames)),
    )


def registered(
    maps: np.ndarray,
    masks: np.ndarray,
    frames: pd.DataFrame,
    shard: FaceShard,
    grid: int,
) -> Registered:
    """Maps (n, S, S), masks and crops of `frames` on the canonical grid."""
    rows = frames["crop"].to_numpy()
    matrices = matrices_of(shard, rows, grid)
    pairs = [register(map, m, grid) for map, m in zip(maps, matrices, strict=True)]
    on_grid, lost = zip(*pairs, strict=True)
    faces = zip(shard.crops[rows], matrices, strict=True)
    seen = [warp(face, matrix, grid) for face, matrix in faces]
    marked = [warp(mask, m, grid) for mask, m in zip(masks, matrices, strict=True)]
    has_mask = frames["has_mask"].to_numpy(bool)
    return Registered(
        np.stack(on_grid), np.array(lost), np.stack(seen), np.stack(marked), has_mask
    )


def region_sums(maps: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Sums of maps (n, G, G) over each region of `regions` (G, G) int: (n, R)."""
    inside = regions.ravel()[:, None] == np.arange(len(REGIONS))
    return maps.reshape(len(maps), -1) @ inside.astype(np.float64)


def _rows(frames: Registered, which: pd.Index) -> Registered:
    return Registered(*(getattr(frames, name)[which] for name in vars(frames)))


def _scores(
    maps: np.ndarray,
    masks: np.ndarray,
    prior: np.ndarray,
    heats: Iterable[np.ndarray | None],
) -> np.ndarray:
    """Agreement with masks (n, S, S), (n, heats, SCORES); a heat of None is the map."""
    found = [
        [mask_scores(map if heat is None else heat, mask, prior) for heat in heats]
        for map, mask in zip(maps, masks, strict=True)
    ]
    return np.array(
        [[[of[name] for name in SCORES] for of in frame] for frame in found]
    )


def _long(table: pd.DataFrame, scores: np.ndarray, heats: list[str]) -> pd.DataFrame:
    """A row a frame and heat, with the frame's keys and the heat's scores."""
    keys = table[["dataset", "compression", "method", "target", "video"]]
    parts = [
        keys.assign(heat=heat, **dict(zip(SCORES, scores[:, number].T, strict=True)))
        for number, heat in enumerate(heats)
    ]
    return pd.concat(parts, ignore_index=True)


def merge_shards(one: ShardSums, other: ShardSums) -> ShardSums:
    """What two shards come to."""
    keys = sorted(one.cells.keys() | other.cells.keys())
    cells = {}
    for key in keys:
        both = [s.cells[key] for s in (one, other) if key in s.cells]
        cells[key] = merged(*both) if len(both) == 2 else both[0]
    frames, scores, rows = (
        _stacked(getattr(one, name), getattr(other, name))
        for name in ("frames", "scores", "sampled")
    )
    maps = np.concatenate([one.sample, other.sample])
    kept = keep_sample(rows[KEY], SAMPLE)
    rows = rows[kept].reset_index(drop=True)
    return ShardSums(cells, frames, scores, maps[kept], rows)


def _stacked(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """One table over the other; an empty one has no types, and would spoil them."""
    tables = [table for table in (one, other) if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else one


def sum_shards(
    attributions: Sequence[Path],
    faces: Sequence[Path],
    mean_mask: np.ndarray,
    threshold: float,
    regions: np.ndarray,
    seed: int,
) -> ShardSums:
    """Reduce all shards: see `sum_shard`."""
    faces_of = {path.stem: path for path in faces}
    parts = (
        sum_shard(path, faces_of[path.stem], mean_mask, threshold, regions, seed)
        for path in sorted(attributions, key=lambda path: path.stem)
    )
    return tree_merge(parts, merge_shards)


def with_all_outcomes(cells: Mapping[tuple, Cell]) -> dict[tuple, Cell]:
    """Cells by (dataset, compression, method, label, outcome), and of any outcome."""
    found = dict(cells)
    for key, cell in cells.items():
        every = (*key[:-1], "all")
        found[every] = merged(found[every], cell) if every in found else cell
    return dict(sorted(found.items()))


def cell_arrays(cells: Mapping[tuple, Cell]) -> list[CellArrays]:
    """What is stored of cells, with the test of each fake cell against the real one."""
    found = []
    for key, cell in cells.items():
        real = cells.get((*key[:2], REAL, 0, "all"))
        mean = pooled(cell.signed.mean, POOLED)
        resampled = cell.squares.means()
        significant = np.zeros(mean.size, bool)
        if key[3] == 1 and real is not None:
            significant = significant_difference(
                (mean - pooled(real.signed.mean, POOLED)).ravel(),
                resampled - real.squares.means(),
                min(len(cell.people), len(real.people)),
            )
        found.append(
            CellArrays(
                *key,
                frames=cell.signed.count,
                videos=len(cell.videos),
                people=len(cell.people),
                lost=float(cell.sums[-1] / cell.signed.count),
                mean=cell.signed.mean.astype(np.float32),
                median=cell.sketch.median().astype(np.float32),
                std=cell.signed.std().astype(np.float32),
                mean_abs=cell.absolute.mean.astype(np.float32),
                median_abs=cell.sketch.median_absolute().astype(np.float32),
                std_abs=cell.absolute.std().astype(np.float32),
                face=np.rint(cell.face / cell.signed.count).astype(np.uint8),
                mask=(cell.mask / max(cell.masks, 1)).astype(np.float32),
                pooled=mean.astype(np.float32),
                replicates=resampled.reshape(-1, *mean.shape).astype(np.float32),
                significant=significant.reshape(mean.shape),
            )
        )
    return found
