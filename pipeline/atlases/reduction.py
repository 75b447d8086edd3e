"""Reduce attribution maps to the cells of an atlas, shard by shard.

Signed maps add up: the sum over a cell's mean map, plus what registration has moved off
the grid, is the mean change of the logit of its frames, F(x) - F(baseline), as far as
the integrals have converged. Frames are added in the order of their shard, and shards
are merged in the order of their names, so that the bits do not depend on the order of
the arguments.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CELL_KEYS, OUTCOMES, CellArrays, CellKey
from pipeline.atlases.cells import (
    Cell,
    RegisteredFrames,
    mean_map_errors,
    merge_cells,
)
from pipeline.atlases.mask_agreement import (
    ATTRIBUTION,
    CHANGED,
    OFFICIAL,
    SCORES,
    control_heats,
    mask_scores,
)
from pipeline.atlases.regions import region_sums
from pipeline.atlases.registration import matrices_of, register, warp
from pipeline.atlases.registration_check import LOGITS, face_states, frame_sums
from pipeline.attributions.originals import Originals
from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard
from pipeline.statistics.moments import Moments, Sketch, tree_merge
from pipeline.statistics.pooling import POOLED_SIDE, pool_maps
from pipeline.statistics.resampling import (
    UNIT_COLUMNS,
    Replicates,
    Units,
    count_units,
    units_of,
    weights,
)
from pipeline.statistics.sampling import keep_sample
from pipeline.statistics.significance import significant_difference
from pipeline.videos.table import REAL, labelled

MAX_GRID_SIDE = 128  # px of the canonical face
RESAMPLES = 400
MAX_SAMPLE = 2000  # maps that are kept for clusters and ranks
FRAME_KEYS = ["video", "subject", "number"]
TRUTHS = (OFFICIAL, CHANGED)  # in the order of the scores of a frame


@dataclass(frozen=True)
class ShardSums:
    """The reduced maps of one or more shards.

    Attributes:
        cells: by data set, compression, method, label and outcome.
        frames: one row for each frame.
        scores: one row for each frame, truth and heat: agreement with the truth's mask.
        sample: (n, P, P) float32: pooled maps of a sample of the frames.
        sampled: the rows of these frames.
        frame_sums: (N, 1 + LOGITS) float64: `frame_sums` of each frame.
    """

    cells: dict[CellKey, Cell]
    frames: pd.DataFrame
    scores: pd.DataFrame
    sample: np.ndarray
    sampled: pd.DataFrame
    frame_sums: np.ndarray


def make_cell(
    frames: RegisteredFrames,
    *,
    video: str,
    units: Units,
    drawn: np.ndarray,
    regions: np.ndarray,
) -> Cell:
    """The cell of one video's frames.

    `drawn` (B,) is how often its units are in each resample, `regions` (G, G) the
    region of each pixel.
    """
    squares = np.stack([pool_maps(heatmap, POOLED_SIDE) for heatmap in frames.maps])
    sums = np.column_stack([region_sums(frames.maps, regions), frames.off_grid])
    return Cell(
        videos=frozenset([video]),
        signed=Moments.of(frames.maps),
        nested=frames.nested.sum(0),
        absolute=Moments.of(np.abs(frames.maps)),
        sketch=Sketch.of(frames.maps),
        face=frames.faces.sum(0, dtype=np.float64),
        mask=frames.masks[frames.has_mask].sum(0, dtype=np.float64),
        masked_frames=int(frames.has_mask.sum()),
        pooled=Replicates.of(squares.reshape(len(squares), -1), drawn),
        regions=Replicates.of(sums, drawn),
        region_sums=sums.sum(0),
        units=frozenset([units]),
    )


def cells_of_video(
    frames: RegisteredFrames, rows: pd.DataFrame, *, regions: np.ndarray, seed: int
) -> dict[CellKey, Cell]:
    """The cells of one video, whose frames have these `rows` of the table."""
    units = units_of(rows)[0]
    drawn = weights([units], RESAMPLES, seed)[:, 0]
    cells = {}
    for outcome, part in rows.reset_index(drop=True).groupby("outcome"):
        first = part.iloc[0]
        cells[*first[CELL_KEYS[:-1]], outcome] = make_cell(
            frames.rows(part.index.to_numpy()),
            video=first["video"],
            units=units,
            drawn=drawn,
            regions=regions,
        )
    return cells


def merge_all_cells(
    one: Mapping[CellKey, Cell], other: Mapping[CellKey, Cell]
) -> dict[CellKey, Cell]:
    """The cells of both, sorted by their keys. Cells with the same key are merged."""
    found = {}
    for key in sorted(one.keys() | other.keys()):
        both = [cells[key] for cells in (one, other) if key in cells]
        found[key] = merge_cells(*both) if len(both) == 2 else both[0]
    return found


def sum_shard(
    attributions: Path,
    faces: Path,
    originals: Path | None,
    *,
    mean_mask: np.ndarray | None,
    threshold: float,
    regions: np.ndarray,
    seed: int,
    score_masks: bool = True,
) -> ShardSums:
    """Reduce one shard, with one video in memory at a time.

    `originals` are the originals of the shard's fakes; None if none are known. Without
    `mean_mask` (S, S), that of the training set, the scores that need it are NaN. From
    the logit `threshold` on, a frame counts as fake. `regions` (G, G) is the region of
    each pixel of the canonical grid, and `seed` that of the resamples. Unlabelled
    frames are left out: no outcome is right or wrong. Without `score_masks`, all scores
    are NaN.
    """
    cells: dict[CellKey, Cell] = {}
    with (
        AttributionShard(attributions) as shard,
        FaceShard(faces) as crops,
        open_originals(originals) as known,
    ):
        size = shard.maps.shape[1]
        heats = {ATTRIBUTION: None, **control_heats(size, mean_mask)}
        prior = np.zeros((size, size)) if mean_mask is None else mean_mask
        count = len(shard.frames)
        table = labelled(with_outcomes(shard.frames, threshold, attributions.stem))
        states = face_states(crops, table["crop"].to_numpy())
        table = table.assign(**{name: states[name].to_numpy() for name in states})
        sums = np.zeros((count, 1 + len(LOGITS)))
        scores = np.full((count, len(TRUTHS), len(heats), len(SCORES)), np.nan)
        kept = table["place"].to_numpy()
        chosen = np.flatnonzero(keep_sample(table[FRAME_KEYS], MAX_SAMPLE))
        sample_row = {place: number for number, place in enumerate(kept[chosen])}
        side = min(len(regions), POOLED_SIDE)
        sample = np.zeros((len(chosen), side, side), np.float32)
        for _, video in table.groupby("video", sort=False):
            places = video["place"].to_numpy()
            raw = shard.maps[places].astype(np.float64)
            masks = crops.masks[video["crop"]]
            frames = register_frames(
                raw,
                shard.nested_differences[places],
                masks,
                video,
                crops,
                grid=len(regions),
            )
            own = cells_of_video(frames, video, regions=regions, seed=seed)
            cells = merge_all_cells(cells, own)
            sums[places] = frame_sums(frames, regions)
            if score_masks:
                changed = _changed(known, video, masks)
                scores[places] = _scores_of_truths(
                    raw, masks, changed, prior, heats.values()
                )
            for place, heatmap in zip(places, frames.maps, strict=True):
                if place in sample_row:
                    sample[sample_row[place]] = pool_maps(heatmap)
    scores = scores[kept]
    map_scores = dict(zip(SCORES, scores[:, 0, 0].T, strict=True))
    table = table.assign(**map_scores, lost=sums[kept, -1]).reset_index(drop=True)
    return ShardSums(
        cells=cells,
        frames=table,
        scores=_score_rows(table, scores, list(heats)),
        sample=sample,
        sampled=table.iloc[chosen].reset_index(drop=True),
        frame_sums=sums[kept],
    )


def open_originals(path: Path | None) -> AbstractContextManager[Originals | None]:
    """The originals of a shard's fakes; None if there is no file."""
    return Originals(path) if path else nullcontext()


def _changed(
    originals: Originals | None, frames: pd.DataFrame, masks: np.ndarray
) -> np.ndarray:
    """The changed pixels (n, S, S) of frames; empty where no original is aligned."""
    if originals is None:
        return np.zeros_like(masks)
    return originals.changed_of(frames["crop"].to_numpy())


def with_outcomes(frames: pd.DataFrame, threshold: float, shard: str) -> pd.DataFrame:
    """Add the columns outcome, margin, shard and place to a shard's table of frames.

    `outcome` is whether the frame was classified right or wrong. `margin` is the
    distance of its logit from the threshold, in logits. `place` is its row in the
    shard.
    """
    right = (frames["logit"] >= threshold) == (frames["label"] == 1)
    return frames.assign(
        outcome=np.where(right, *OUTCOMES),
        margin=(frames["logit"] - threshold).abs(),
        shard=shard,
        place=np.arange(len(frames)),
    )


def register_frames(
    maps: np.ndarray,
    nested_differences: np.ndarray,
    masks: np.ndarray,
    frames: pd.DataFrame,
    shard: FaceShard,
    *,
    grid: int,
) -> RegisteredFrames:
    """Put maps (n, S, S), masks (n, S, S) and crops of `frames` on the canonical grid.

    `grid` is the grid's side in px. `nested_differences` (n, S, S) are those of the
    maps.
    """
    rows = frames["crop"].to_numpy()
    matrices = matrices_of(shard, rows, grid)
    nested = [
        pool_maps(register(difference, matrix, grid)[0])
        for difference, matrix in zip(nested_differences, matrices, strict=True)
    ]
    registered = [
        register(m, matrix, grid) for m, matrix in zip(maps, matrices, strict=True)
    ]
    crops = shard.crops[rows]
    return RegisteredFrames(
        maps=np.stack([on_grid for on_grid, _ in registered]),
        off_grid=np.array([off_grid for _, off_grid in registered]),
        nested=np.stack(nested),
        faces=_warp_all(crops, matrices, grid),
        masks=_warp_all(masks, matrices, grid),
        has_mask=frames["has_mask"].to_numpy(bool),
    )


def _warp_all(pictures: np.ndarray, matrices: np.ndarray, grid: int) -> np.ndarray:
    pairs = zip(pictures, matrices, strict=True)
    return np.stack([warp(picture, matrix, grid) for picture, matrix in pairs])


def _scores_of_truths(
    maps: np.ndarray,
    masks: np.ndarray,
    changed: np.ndarray,
    prior: np.ndarray,
    heats: Collection[np.ndarray | None],
) -> np.ndarray:
    """Agreement of heats with masks and changed pixels: (n, TRUTHS, heats, SCORES).

    The arguments are as for `_scores`. `prior` is of official masks, so the scores that
    need it are NaN for changed pixels.
    """
    official = _scores(maps, masks, prior, heats)
    return np.stack(
        [official, _scores(maps, changed, np.zeros_like(prior), heats)], axis=1
    )


def _scores(
    maps: np.ndarray,
    masks: np.ndarray,
    prior: np.ndarray,
    heats: Collection[np.ndarray | None],
) -> np.ndarray:
    """Agreement of heats with masks (n, S, S): (n, heats, SCORES).

    A heat of None stands for the frame's own map, one of `maps` (n, S, S).
    """
    found = [
        [mask_scores(own if heat is None else heat, mask, prior) for heat in heats]
        for own, mask in zip(maps, masks, strict=True)
    ]
    return np.array(
        [[[scores[name] for name in SCORES] for scores in frame] for frame in found]
    )


def _score_rows(
    table: pd.DataFrame, scores: np.ndarray, heats: list[str]
) -> pd.DataFrame:
    """One row for each frame, truth and heat: the frame's keys and the heat's scores.

    `scores` is (n, TRUTHS, heats, SCORES).
    """
    keys = table[["dataset", "compression", "method", *UNIT_COLUMNS, "video"]]
    parts = [
        keys.assign(
            truth=truth,
            heat=heat,
            **dict(zip(SCORES, scores[:, one, other].T, strict=True)),
        )
        for one, truth in enumerate(TRUTHS)
        for other, heat in enumerate(heats)
    ]
    return pd.concat(parts, ignore_index=True)


def merge_shards(one: ShardSums, other: ShardSums) -> ShardSums:
    """The sums over the shards of both."""
    maps = np.concatenate([one.sample, other.sample])
    rows = _concat(one.sampled, other.sampled)
    kept = keep_sample(rows[FRAME_KEYS], MAX_SAMPLE)
    return ShardSums(
        cells=merge_all_cells(one.cells, other.cells),
        frames=_concat(one.frames, other.frames),
        scores=_concat(one.scores, other.scores),
        sample=maps[kept],
        sampled=rows[kept].reset_index(drop=True),
        frame_sums=np.concatenate([one.frame_sums, other.frame_sums]),
    )


def _concat(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Two tables below each other. An empty table has no dtypes and is left out,
    because it would change those of the other."""
    tables = [table for table in (one, other) if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else one


def sum_shards(
    attributions: Sequence[Path],
    faces: Sequence[Path],
    originals: Sequence[Path] = (),
    *,
    mean_mask: np.ndarray | None,
    threshold: float,
    regions: np.ndarray,
    seed: int,
    score_masks: bool = True,
) -> ShardSums:
    """Reduce all shards: see `sum_shard`. A shard has the same name in all folders."""
    faces_of = {path.stem: path for path in faces}
    originals_of = {path.stem: path for path in originals}
    parts = (
        sum_shard(
            path,
            faces_of[path.stem],
            originals_of.get(path.stem),
            mean_mask=mean_mask,
            threshold=threshold,
            regions=regions,
            seed=seed,
            score_masks=score_masks,
        )
        for path in sorted(attributions, key=lambda path: path.stem)
    )
    return tree_merge(parts, merge_shards)


def with_all_outcomes(cells: Mapping[CellKey, Cell]) -> dict[CellKey, Cell]:
    """Add the cells of any outcome, whose outcome is "all"."""
    found = dict(cells)
    for key, cell in cells.items():
        every = (*key[:-1], "all")
        found[every] = merge_cells(found[every], cell) if every in found else cell
    return dict(sorted(found.items()))


def cell_arrays(
    cells: Mapping[CellKey, Cell], *, from_originals: bool = False
) -> list[CellArrays]:
    """The arrays of cells that are stored.

    The mean of each fake cell is tested against that of the real faces of its test set.
    With `from_originals`, where real faces have no maps, it is tested against zero.
    """
    return [
        _cell_arrays(key, cell, cells.get((*key[:2], REAL, 0, "all")), from_originals)
        for key, cell in cells.items()
    ]


def _cell_arrays(
    key: CellKey, cell: Cell, real: Cell | None, from_originals: bool
) -> CellArrays:
    dataset, compression, method, label, outcome = key
    mean = pool_maps(cell.signed.mean, POOLED_SIDE)
    resampled = cell.pooled.means()
    units = count_units(cell.units)
    errors = mean_map_errors(cell)
    significant, tested_units = np.zeros(mean.size, bool), 0
    if label == 1 and from_originals:
        tested_units = units
        significant = significant_difference(mean.ravel(), resampled, units)
    elif label == 1 and real is not None:
        tested_units = min(units, count_units(real.units))
        significant = significant_difference(
            (mean - pool_maps(real.signed.mean, POOLED_SIDE)).ravel(),
            resampled - real.pooled.means(),
            tested_units,
        )
    return CellArrays(
        dataset=dataset,
        compression=compression,
        method=method,
        label=label,
        outcome=outcome,
        frames=cell.signed.count,
        videos=len(cell.videos),
        units=units,
        tested_units=tested_units,
        lost=float(cell.region_sums[-1] / cell.signed.count),
        map_error=errors.integration,
        sampling_error=errors.sampling,
        mean=cell.signed.mean.astype(np.float32),
        median=cell.sketch.median().astype(np.float32),
        std=cell.signed.std().astype(np.float32),
        mean_abs=cell.absolute.mean.astype(np.float32),
        median_abs=cell.sketch.median_absolute().astype(np.float32),
        std_abs=cell.absolute.std().astype(np.float32),
        face=np.rint(cell.face / cell.signed.count).astype(np.uint8),
        mask=(cell.mask / max(cell.masked_frames, 1)).astype(np.float32),
        pooled=mean.astype(np.float32),
        replicates=resampled.reshape(-1, *mean.shape).astype(np.float32),
        significant=significant.reshape(mean.shape),
    )
