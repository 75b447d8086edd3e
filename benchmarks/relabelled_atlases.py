"""How often the atlases of a run would mark something if nothing were there.

    python -m benchmarks.relabelled_atlases results [--runs 200]

The maps of a finished run are kept, and their labels are exchanged: within each unit (a
pair of persons) the methods and the real faces trade their names at random, and maps
from the baseline `original` change their sign, which exchanges a fake and its original.
So whatever differs between fakes and real faces has nothing to do with the labels any
more. Then all these differences are tested together with those of detectors, as
`mark_significant` does, and those of fakes are counted. In at most 5 % of the
relabellings anything may be significant. Right against wrong frames are left out.

Then a difference is planted into the relabelled maps of one method, in four squares, in
all atlases alike. Its size is a multiple of the standard error of the mean over units.
The table says how often at least one of these squares is found.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellArrays, read_sample
from pipeline.atlases.differences import (
    Detector,
    Difference,
    fake_differences,
    model_differences,
)
from pipeline.config.baseline_names import ORIGINAL
from pipeline.statistics.resampling import (
    Replicates,
    count_units,
    units_of,
    weights,
)
from pipeline.statistics.significance import joint_threshold
from pipeline.videos.table import REAL

RESAMPLES = 400
EFFECTS = (4.0, 6.0, 8.0, 10.0)  # times the standard error
PLANTED = np.s_[20:22, 15:17]  # squares in the lower middle of the face

# The maps in squares (n, P, P) and their rows, of each detector and baseline.
Samples = Mapping[tuple[Detector, str], tuple[np.ndarray, pd.DataFrame]]


def read_samples(results: Path) -> Samples:
    """The maps that a run has kept, whose tables name their units."""
    found = {}
    for path in sorted(results.glob("atlases/*/*/*/sample.h5")):
        model, protocol, baseline = path.parts[-4:-1]
        found[Detector(model, protocol, model), baseline] = read_sample(path)
    return found


def relabelled(samples: Samples, rng: np.random.Generator) -> Samples:
    """The samples with exchanged labels; the same exchange in all of them."""
    every = pd.concat([rows for _, rows in samples.values()])
    names = sorted(set(every["method"]))
    orders = {unit: rng.permutation(len(names)) for unit in sorted(set(every["unit"]))}
    signs = {unit: rng.choice([-1.0, 1.0]) for unit in orders}
    found = {}
    for (detector, baseline), (maps, rows) in samples.items():
        units = rows["unit"]
        if baseline == ORIGINAL:
            sign = units.map(signs).to_numpy()
            found[detector, baseline] = maps * sign[:, None, None], rows
            continue
        pairs = zip(units, rows["method"], strict=True)
        new = [names[orders[unit][names.index(method)]] for unit, method in pairs]
        labels = [int(name != REAL) for name in new]
        found[detector, baseline] = maps, rows.assign(method=new, label=labels)
    return found


def cells_of(maps: np.ndarray, rows: pd.DataFrame, seed: int) -> list[CellArrays]:
    """The cells of all outcomes, with what a test needs of them."""
    cells = []
    keys = ["dataset", "compression", "method", "label"]
    for names, part in rows.reset_index(drop=True).groupby(keys):
        units = units_of(part)
        drawn = weights(units, RESAMPLES, seed).astype(np.float64)
        own = maps[part.index].reshape(len(part), -1).astype(np.float64)
        sums = Replicates(drawn @ own, drawn.sum(1))
        resampled = sums.linearised_means(own.mean(0))
        side = maps.shape[-1]
        empty = np.zeros((side, side), np.float32)
        counts = (len(part), part["video"].nunique(), count_units(units))
        cells.append(
            CellArrays(
                *(*names, "all", *counts, 0.0, 0.0, 0.0),
                *(empty,) * 6,
                *(np.zeros((side, side, 3), np.uint8), empty),
                own.mean(0).reshape(side, side),
                resampled.reshape(-1, side, side),
                *(empty, empty[None]),
            )
        )
    return cells


def tested(samples: Samples, seed: int) -> tuple[list[Difference], float]:
    """The differences of fakes, and the joint threshold of all differences."""
    cells = {key: cells_of(*sample, seed) for key, sample in samples.items()}
    fakes = [
        one
        for (_, baseline), arrays in cells.items()
        for one in fake_differences(arrays, baseline)
    ]
    every = list(fakes)
    for baseline in dict.fromkeys(name for _, name in cells):
        own = {d: arrays for (d, name), arrays in cells.items() if name == baseline}
        every += [one for *_, one in model_differences(own)]
    return fakes, joint_threshold(one.picture for one in every if one.picture)


def planted(samples: Samples, method: str, effect: float) -> Samples:
    """The samples with a difference in the squares PLANTED of a method's maps.

    It is `effect` times the standard error of the mean over units of each square.
    """
    found = {}
    for key, (maps, rows) in samples.items():
        own = (rows["method"] == method).to_numpy()
        by_unit = pd.DataFrame(maps[own].reshape(own.sum(), -1)).groupby(
            rows.loc[own, "unit"].to_numpy()
        )
        means = by_unit.mean().to_numpy()
        error = (means.std(0, ddof=1) / np.sqrt(len(means))).reshape(maps.shape[1:])
        added = np.zeros_like(error)
        added[PLANTED] = effect * error[PLANTED]
        found[key] = maps + own[:, None, None] * added, rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    samples = read_samples(args.results)
    rng = np.random.default_rng(0)
    marked = alone = 0
    found = dict.fromkeys(EFFECTS, 0)
    method = sorted({m for _, r in samples.values() for m in r["method"]} - {REAL})[0]
    for seed in range(args.runs):
        new = relabelled(samples, rng)
        fakes, threshold = tested(new, seed)
        marked += any(one.significant(threshold).any() for one in fakes)
        alone += any(
            one.significant(joint_threshold([one.picture])).any()
            for one in fakes
            if one.picture
        )
        if seed % 5:
            continue
        for effect in EFFECTS:
            fakes, threshold = tested(planted(new, method, effect), seed)
            found[effect] += any(
                one.significant(threshold)[PLANTED].any()
                for one in fakes
                if one.cell.method == method
            )
    pictures = sum(one.picture is not None for one in fakes)
    print(f"{pictures} pictures, {args.runs} relabellings")
    print(f"anything marked, all pictures tested together: {marked / args.runs:.3f}")
    print(f"anything marked, each picture tested alone: {alone / args.runs:.3f}")
    count = len(range(0, args.runs, 5))
    for effect, hits in found.items():
        print(
            f"planted difference of {effect} standard errors found: {hits / count:.3f}"
        )


if __name__ == "__main__":
    main()
