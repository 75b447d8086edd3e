"""Reduce attribution maps to the cells of an atlas, shard by shard.

Signed maps add up: the sum over a cell's mean map, plus what registration has moved off
the grid, is the mean change of the logit of its frames, F(x) - F(baseline), as far as
the integrals have converged. Frames are added in the order of their shard, and shards
are merged in the order of their names, so that the bits do not depend on the order of
the arguments.
"""

from collections.abc import Mapping, Sequence
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
from pipeline.atlases.heats import FrameHeats
from pipeline.atlases.mask_scoring import MaskScorer, map_scores, no_scores
from pipeline.atlases.regions import region_sums
from pipeline.atlases.registration import matrices_of, register, warp
from pipeline.atlases.registration_check import LOGITS, face_states, frame_sums
from pipeline.atlases.scales import on_one_scale
from pipeline.attributions.controls import ControlShard
from pipeline.attributions.originals import Originals
from pipeline.attributions.shards import AttributionShard
from pipeline.faces.shards import FaceShard
from pipeline.files.tables import stacked
from pipeline.statistics.moments import Moments, Sketch, tree_merge
from pipeline.statistics.pooling import POOLED_SIDE, pool_maps
from pipeline.statistics.resampling import (
    Replicates,
    Units,
    count_units,
    units_of,
    weights,
)
from pipeline.statistics.sampling import keep_sample
from pipeline.videos.table import labelled

MAX_GRID_SIDE = 128  # px of the canonical face
RESAMPLES = 400
MAX_SAMPLE = 2000  # maps that are kept for clusters and ranks
FRAME_KEYS = ["video", "subject", "number"]


@dataclass(frozen=True)
class ShardSums:
    """The reduced maps of one or more shards.

    Attributes:
        cells: by data set, compression, method, label and outcome.
        frames: one row for each frame.
        scores: (N, TRUTHS, SCALES, HEATS, ALL_SCORES) float32: agreement of the frames'
            heats with masks. NaN for real frames.
        sample: (n, P, P) float32: pooled maps of a sample of the frames.
        sampled: the rows of these frames.
        frame_sums: (N, 1 + LOGITS) float64: `frame_sums` of each frame.
    """

    cells: dict[CellKey, Cell]
    frames: pd.DataFrame
    scores: np.ndarray
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
    shapes = on_one_scale(squares)
    both = np.concatenate([squares, shapes], axis=1).reshape(len(squares), -1)
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
        pooled=Replicates.of(both, drawn),
        shape=shapes.sum(0),
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
    controls: Path | None,
    *,
    baseline: str,
    mean_mask: np.ndarray | None,
    threshold: float,
    regions: np.ndarray,
    seed: int,
) -> ShardSums:
    """Reduce one shard, with one video in memory at a time.

    `originals` are the originals of the shard's fakes, and `controls` the control maps
    of a sample of them; None if there are none. `baseline` is the maps' baseline.
    Without `mean_mask` (S, S), that of the training set, the scores that need it are
    NaN. From the logit `threshold` on, a frame counts as fake. `regions` (G, G) is the
    region of each pixel of the canonical grid, and `seed` that of the resamples.
    Unlabelled frames are left out: no outcome is right or wrong.
    """
    cells: dict[CellKey, Cell] = {}
    with (
        AttributionShard(attributions) as shard,
        FaceShard(faces) as crops,
        open_originals(originals) as known,
        open_controls(controls) as control,
    ):
        scorer = MaskScorer(shard.maps.shape[1], mean_mask)
        count = len(shard.frames)
        table = labelled(with_outcomes(shard.frames, threshold, attributions.stem))
        states = face_states(crops, table["crop"].to_numpy(np.intp))
        table = table.assign(**{name: states[name].to_numpy() for name in states})
        sums = np.zeros((count, 1 + len(LOGITS)))
        scores = no_scores(count)
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
            changed = _changed(known, video, masks)
            fakes = np.flatnonzero(video["label"].to_numpy() == 1)
            for one in fakes:
                crop = int(video["crop"].iloc[one])
                real, random = _control_heats(control, known, baseline, crop)
                change = shard.changes[places[one]]
                heats = FrameHeats(raw[one], change, crops.crops[crop], random)
                scores[places[one]] = scorer.score(
                    heats, masks[one], changed[one], real
                )
            for place, heatmap in zip(places, frames.maps, strict=True):
                if place in sample_row:
                    sample[sample_row[place]] = pool_maps(heatmap)
    scores = scores[kept]
    lost = pd.Series(sums[kept, -1], table.index, name="lost")
    own = pd.DataFrame(map_scores(scores), table.index)
    table = pd.concat([table, own, lost], axis=1).reset_index(drop=True)
    return ShardSums(
        cells=cells,
        frames=table,
        scores=scores,
        sample=sample,
        sampled=table.iloc[chosen].reset_index(drop=True),
        frame_sums=sums[kept],
    )


def open_originals(path: Path | None) -> AbstractContextManager[Originals | None]:
    """The originals of a shard's fakes; None if there is no file."""
    return Originals(path) if path else nullcontext()


def open_controls(path: Path | None) -> AbstractContextManager[ControlShard | None]:
    """The control maps of a shard's sample; None if there is no file."""
    return ControlShard(path) if path else nullcontext()


def _control_heats(
    controls: ControlShard | None,
    originals: Originals | None,
    baseline: str,
    crop: int,
) -> tuple[FrameHeats | None, np.ndarray | None]:
    """The heats of a fake's own real frame, and the map of a random network.

    Both are None for fakes that are not in the sample. From the baseline `original`,
    the own real frame is the baseline and has no heats.
    """
    found = controls.maps_of(baseline, crop) if controls else None
    if found is None:
        return None, None
    real = None
    if originals and found.real is not None and found.real_change is not None:
        picture = originals.crops_of(np.array([crop]))[0]
        real = FrameHeats(found.real, found.real_change, picture, found.random_real)
    return real, found.random


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


def merge_shards(one: ShardSums, other: ShardSums) -> ShardSums:
    """The sums over the shards of both."""
    maps = np.concatenate([one.sample, other.sample])
    rows = stacked([one.sampled, other.sampled])
    kept = keep_sample(rows[FRAME_KEYS], MAX_SAMPLE)
    return ShardSums(
        cells=merge_all_cells(one.cells, other.cells),
        frames=stacked([one.frames, other.frames]),
        scores=np.concatenate([one.scores, other.scores]),
        sample=maps[kept],
        sampled=rows[kept].reset_index(drop=True),
        frame_sums=np.concatenate([one.frame_sums, other.frame_sums]),
    )


def sum_shards(
    attributions: Sequence[Path],
    faces: Sequence[Path],
    originals: Sequence[Path] = (),
    controls: Sequence[Path] = (),
    *,
    baseline: str = "black",
    mean_mask: np.ndarray | None,
    threshold: float,
    regions: np.ndarray,
    seed: int,
) -> ShardSums:
    """Reduce all shards: see `sum_shard`. A shard has the same name in all folders."""
    faces_of = {path.stem: path for path in faces}
    originals_of = {path.stem: path for path in originals}
    controls_of = {path.stem: path for path in controls}
    parts = (
        sum_shard(
            path,
            faces_of[path.stem],
            originals_of.get(path.stem),
            controls_of.get(path.stem),
            baseline=baseline,
            mean_mask=mean_mask,
            threshold=threshold,
            regions=regions,
            seed=seed,
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


def cell_arrays(cells: Mapping[CellKey, Cell]) -> list[CellArrays]:
    """The arrays of cells that are stored."""
    return [_cell_arrays(key, cell) for key, cell in cells.items()]


def _cell_arrays(key: CellKey, cell: Cell) -> CellArrays:
    dataset, compression, method, label, outcome = key
    mean = pool_maps(cell.signed.mean, POOLED_SIDE)
    shape = cell.shape / cell.signed.count
    both = np.concatenate([mean, shape]).ravel()
    drawn = cell.pooled.linearised_means(both).astype(np.float32)
    drawn = drawn.reshape(-1, 2, *mean.shape)
    errors = mean_map_errors(cell)
    return CellArrays(
        dataset=dataset,
        compression=compression,
        method=method,
        label=label,
        outcome=outcome,
        frames=cell.signed.count,
        videos=len(cell.videos),
        units=count_units(cell.units),
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
        replicates=drawn[:, 0],
        shape=shape.astype(np.float32),
        shape_replicates=drawn[:, 1] if outcome in OUTCOMES else drawn[:0, 1],
    )
