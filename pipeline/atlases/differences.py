"""The differences of mean maps that a run tests, and which of them are significant.

All differences of a run are tested together: see `pipeline/statistics/significance.py`.

- The fakes of a method are compared with the real faces of the same test set, and from
  the baseline `original`, which real faces do not have, with zero. Only all frames of a
  method are compared: a map adds up to the logit that decides whether its frame is
  classified right, so that frames chosen by the outcome differ from others anyway.
- Frames that were classified right are compared with those that were classified wrong,
  by the shapes of their maps: each map is divided by the sum of its absolute values on
  squares (its L1 norm), so that strengths are not compared.
- Two detectors are compared by their mean maps, each divided by its norm, because two
  detectors do not have the same scale of logits. The ratio of the norms is a number of
  its own.

Differences are blurred before they are tested. What a map says of a place is spread
over several squares, and its noise is not, so that a blurred difference of few units
has a much smaller error. A blurred difference is also significant beside a place where
maps differ strongly. So a square counts only if the difference there, with the blur of
the pictures alone, has the same sign and at least half of the blurred size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from pipeline.atlases.arrays import CELL_KEYS, OUTCOMES, CellArrays, Slice
from pipeline.atlases.scales import BLUR_SIGMA, norms, on_one_scale
from pipeline.config.baseline_names import ORIGINAL
from pipeline.files.atomic import replacing
from pipeline.files.hdf5 import mark, open_marked
from pipeline.statistics.pooling import POOLED_SIDE
from pipeline.statistics.significance import Picture, joint_threshold, picture
from pipeline.videos.table import REAL

# What a cell is compared with.
REAL_FACES, ZERO, WRONG, MODEL, TRAINING = (
    "real faces",
    "zero",
    "wrong frames",
    "another model",
    "another training",
)
EVERY_BASELINE = "every baseline"
SQUARES_FORMAT, SQUARES_VERSION = "deepfake-atlas significant squares", 1
TEST_BLUR = 3 / 64  # of differences before they are tested, as a share of the side
SIGNIFICANCE_COLUMNS = [
    *("model", "protocol", "baseline", *CELL_KEYS),
    "comparison",  # what the cell is compared with
    "other",  # the other detector, as model/protocol; "" in other comparisons
    "units",  # that the difference is estimated from
    "tested",  # whether these are enough
    "significant_share",  # of the squares; NaN if it is not tested
    "significant_logits",  # of the mean map in these squares; NaN for shapes and models
    "significant_norm",  # the sum of the absolute difference in these squares, as a
    # share of the norm of the maps; NaN for fakes
    "joint_threshold",  # of |t|, of all differences of the run
]


@dataclass(frozen=True)
class Detector:
    """A detector, and which model it is a training of.

    Attributes:
        model: its name.
        protocol: what it was trained on.
        trained_model: the name of the model in the configuration.
    """

    model: str
    protocol: str
    trained_model: str

    @property
    def name(self) -> str:
        """Its name in tables and pictures."""
        return f"{self.model}/{self.protocol}"


@dataclass(frozen=True)
class Difference:
    """A difference of two mean maps in P x P squares.

    Attributes:
        cell: whose map it is.
        other: whose map is subtracted; None if it is zero.
        comparison: what the cell is compared with.
        mean: (P, P) float64: the difference.
        picture: the statistics of its test; None if there are too few units.
        units: the number of units that it is estimated from.
        names: of the two maps, in pictures.
    """

    cell: CellArrays
    other: CellArrays | None
    comparison: str
    mean: np.ndarray
    picture: Picture | None
    units: int
    names: tuple[str, str]

    def significant(self, threshold: float) -> np.ndarray:
        """The squares that differ significantly, (P, P) bool: none without a test."""
        if self.picture is None:
            return np.zeros(self.mean.shape, bool)
        found = self.picture.significant(threshold).reshape(self.mean.shape)
        shown, blurred = (_blurred(self.mean, s) for s in (BLUR_SIGMA, TEST_BLUR))
        return found & (shown * np.sign(blurred) >= np.abs(blurred) / 2)


def _tested(mean: np.ndarray, replicates: np.ndarray, units: int) -> Picture | None:
    """The statistics of a difference (P, P) with its resamples (B, P, P)."""
    drawn = _blurred(replicates, TEST_BLUR).reshape(len(replicates), -1)
    return picture(_blurred(mean, TEST_BLUR).ravel(), drawn, units)


def _blurred(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Maps in squares (..., P, P) after a blur of `sigma`, as a share of the side."""
    side = sigma * maps.shape[-1]
    return gaussian_filter(maps.astype(np.float64), side, axes=(-2, -1))


def fake_differences(cells: Sequence[CellArrays], baseline: str) -> list[Difference]:
    """The fakes of each method against the real faces of their test set.

    From the baseline `original` against zero. Without real faces there is no
    difference.
    """
    real = {c.slice[:2]: c for c in cells if c.method == REAL and c.outcome == "all"}
    found = []
    for cell in cells:
        other = None if baseline == ORIGINAL else real.get(cell.slice[:2])
        untested = other is None and baseline != ORIGINAL
        if cell.label == 0 or cell.outcome != "all" or untested:
            continue
        mean, replicates, units = cell.pooled.astype(float), cell.replicates, cell.units
        if other is not None:
            mean = mean - other.pooled
            replicates = replicates - other.replicates
            units = min(units, other.units)
        comparison = ZERO if other is None else REAL_FACES
        names = (cell.method, comparison)
        tested = _tested(mean, replicates, units)
        found.append(Difference(cell, other, comparison, mean, tested, units, names))
    return found


def outcome_differences(cells: Sequence[CellArrays]) -> list[Difference]:
    """The shapes of right frames against those of wrong frames, for each slice."""
    by_outcome = {(c.slice, c.outcome): c for c in cells}
    right, wrong = OUTCOMES
    found = []
    for cell in cells:
        other = by_outcome.get((cell.slice, wrong))
        if cell.outcome != right or other is None:
            continue
        mean = cell.shape.astype(float) - other.shape
        replicates = cell.shape_replicates - other.shape_replicates
        units = min(cell.units, other.units)
        tested = _tested(mean, replicates, units)
        found.append(Difference(cell, other, WRONG, mean, tested, units, OUTCOMES))
    return found


def model_differences(
    cells: Mapping[Detector, Sequence[CellArrays]],
) -> list[tuple[Detector, Detector, Difference]]:
    """Detectors against each other, for each method of a test set.

    The first detector is compared with each of the others, and each training of a
    model with each other training of it. Both detectors have the same units in each
    resample, so that differences of resamples are paired.
    """
    first = next(iter(cells), None)
    found = []
    for one, other in combinations(cells, 2):
        same = one.trained_model == other.trained_model
        same &= one.protocol == other.protocol
        if one != first and not same:
            continue
        others = {c.slice: c for c in cells[other] if c.outcome == "all"}
        for cell in cells[one]:
            if cell.outcome != "all" or cell.slice not in others:
                continue
            second = others[cell.slice]
            mean = on_one_scale(cell.pooled) - on_one_scale(second.pooled)
            replicates = on_one_scale(cell.replicates)
            replicates = replicates - on_one_scale(second.replicates)
            difference = Difference(
                cell,
                second,
                TRAINING if same else MODEL,
                mean,
                _tested(mean, replicates, cell.units),
                cell.units,
                (one.name, other.name),
            )
            found.append((one, other, difference))
    return found


def survivors(
    cells: Mapping[str, Sequence[CellArrays]], threshold: float
) -> dict[Slice, np.ndarray]:
    """The squares (P, P) bool of each fake slice that are significant, with the same
    sign, from every baseline.

    `cells` are those of each baseline, by its name. A slice without a tested difference
    from one of the baselines is left out.
    """
    found: dict[Slice, list[np.ndarray]] = {}
    for baseline, arrays in cells.items():
        for one in fake_differences(arrays, baseline):
            if one.picture is not None:
                signed = np.sign(one.mean) * one.significant(threshold)
                found.setdefault(one.cell.slice, []).append(signed)
    return {
        shown: np.abs(np.sum(signs, axis=0)) == len(cells)
        for shown, signs in found.items()
        if len(signs) == len(cells)
    }


def tested_differences(
    cells: Mapping[tuple[Detector, str], Sequence[CellArrays]],
) -> list[tuple[Detector, str, str, Difference]]:
    """All differences of a run: the detector, the baseline, the name of the other
    detector, and the difference.

    `cells` are those of each detector and baseline.
    """
    found = []
    for (detector, baseline), arrays in cells.items():
        for one in fake_differences(arrays, baseline) + outcome_differences(arrays):
            found.append((detector, baseline, "", one))
    for baseline in dict.fromkeys(baseline for _, baseline in cells):
        of_baseline = {d: arrays for (d, b), arrays in cells.items() if b == baseline}
        for detector, other, one in model_differences(of_baseline):
            found.append((detector, baseline, other.name, one))
    return found


def mark_differences(
    cells: Mapping[tuple[Detector, str], Sequence[CellArrays]],
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Test all differences of a run together.

    `cells` are those of each detector and baseline. Returns a table with one row each,
    SIGNIFICANCE_COLUMNS, and the significant squares of each row, (P, P) bool. The rows
    of EVERY_BASELINE say which squares are significant from every baseline; they need
    no test of their own.
    """
    tested = tested_differences(cells)
    pictures = (one.picture for *_, one in tested)
    threshold = joint_threshold(found for found in pictures if found is not None)
    squares = [one.significant(threshold) for *_, one in tested]
    rows = [_row(*one, marked) for one, marked in zip(tested, squares, strict=True)]
    for detector in dict.fromkeys(detector for detector, _ in cells):
        own = {b: arrays for (d, b), arrays in cells.items() if d == detector}
        if len(own) > 1:
            found = survivors(own, threshold)
            rows += _survivor_rows(detector, own, found)
            squares += found.values()
    table = pd.DataFrame(rows, columns=SIGNIFICANCE_COLUMNS[:-1])
    return table.assign(joint_threshold=threshold), squares


def _row(
    detector: Detector,
    baseline: str,
    other: str,
    one: Difference,
    significant: np.ndarray,
) -> tuple[object, ...]:
    """A difference's row of the table, without the threshold."""
    share = logits = part = np.nan
    if one.picture is not None:
        share = float(significant.mean())
        if one.comparison in (REAL_FACES, ZERO):
            logits = float(one.cell.pooled[significant].sum(dtype=np.float64))
        else:
            part = float(np.abs(one.mean[significant]).sum())
    return (
        *(detector.model, detector.protocol, baseline),
        *(getattr(one.cell, key) for key in CELL_KEYS),
        *(one.comparison, other, one.units, one.picture is not None),
        *(share, logits, part),
    )


def _survivor_rows(
    detector: Detector,
    cells: Mapping[str, Sequence[CellArrays]],
    found: Mapping[Slice, np.ndarray],
) -> Iterable[tuple[object, ...]]:
    """The rows of EVERY_BASELINE of one detector; `found` are its `survivors`."""
    units: dict[Slice, int] = {}
    for baseline, arrays in cells.items():
        for one in fake_differences(arrays, baseline):
            known = units.get(one.cell.slice, one.units)
            units[one.cell.slice] = min(known, one.units)
    return [
        (
            *(detector.model, detector.protocol, "all"),
            *(*shown, 1, "all"),
            *(EVERY_BASELINE, "", units[shown], True),
            *(float(squares.mean()), np.nan, np.nan),
        )
        for shown, squares in found.items()
    ]


def write_squares(path: Path, squares: Sequence[np.ndarray]) -> None:
    """Write the significant squares of each row of `mark_differences`."""
    shape = (0, POOLED_SIDE, POOLED_SIDE)
    stacked = np.stack(squares) if squares else np.zeros(shape, bool)
    with replacing(path) as part, h5py.File(part, "w") as file:
        mark(file, SQUARES_FORMAT, SQUARES_VERSION, {})
        file.create_dataset("squares", data=stacked, compression="gzip")


def read_squares(path: Path) -> np.ndarray:
    """The squares that `write_squares` wrote: (rows, P, P) bool."""
    with open_marked(path, SQUARES_FORMAT, SQUARES_VERSION) as file:
        return file["squares"][:]


def read_threshold(table: pd.DataFrame) -> float:
    """The joint threshold of a `mark_differences`; infinite if nothing was tested."""
    values = table["joint_threshold"].dropna()
    return float(values.iloc[0]) if len(values) else np.inf


def normalised(cell: CellArrays) -> np.ndarray:
    """A cell's mean map (G, G), divided by its norm on squares."""
    return cell.mean / norms(cell.pooled)


COMPARISON_COLUMNS = [
    *("dataset", "compression", "method", "detector", "other", "comparison"),
    "distance",  # L1 distance of the maps on squares, divided by their norms: 0..2
    "norm_ratio",  # norm of the mean map of `detector`, divided by that of `other`
    "correlation",  # of the mean maps, over coarse squares
    "significant_share",  # share of the squares that differ significantly
]


def comparison_table(
    found: Sequence[tuple[Detector, Detector, Difference]], threshold: float
) -> pd.DataFrame:
    """One row for each pair of detectors and method, with COMPARISON_COLUMNS."""
    rows: list[tuple[object, ...]] = []
    for detector, other, one in found:
        assert one.other is not None
        coarse, subtracted = one.cell.pooled, one.other.pooled
        tested = one.picture is not None
        rows.append(
            (
                *one.cell.slice,
                *(detector.name, other.name, one.comparison),
                np.abs(one.mean).sum(),
                (norms(coarse) / norms(subtracted)).item(),
                np.corrcoef(coarse.ravel(), subtracted.ravel())[0, 1],
                one.significant(threshold).mean() if tested else np.nan,
            )
        )
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
