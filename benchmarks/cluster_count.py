"""How often clusters of maps are found, without and with kinds of maps, by simulation.

    python -m benchmarks.cluster_count [--runs 100]
    python -m benchmarks.cluster_count --samples RESULTS/atlases/.../sample.h5 ...

Each data set has 144 maps of 16 units. A map is a pattern and smooth noise of standard
deviation 1, times a random strength. *Without kinds* is how often more than one cluster
is found if the noise of one unit is alike or not, if maps change gradually along one
direction, or if noise differs in strength. *With kinds* is how often the right number
is found, and the adjusted Rand index of the labels, by the shares of the kinds (mouth,
whole face, brow) and by the height of their patterns (20 % of the runs). The old rule
is the largest increase of the eigenvalues, for a graph of maps, not of deviations.
*Samples* compares the clusters with the methods, in samples of a finished run.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from pipeline.atlases.arrays import read_sample
from pipeline.atlases.clusters import cluster_maps, neighbour_graph, shapes

SIDE, MAPS, UNITS = 32, 144, 16
NOISE_SIGMA = 1.5  # squares
UNIT_SHARE = 0.3  # of the variance of noise, where it is not stated
# Rows and columns of centres, and standard deviations of both, in squares.
MOUTH, FACE, BROW = (21, 16, 2, 4), (16, 16, 7, 6), (9, 16, 2, 6)
MIXTURES = {
    "two, 50/50": (0.5, 0.5),
    "two, 80/20": (0.8, 0.2),
    "three": (1 / 3, 1 / 3, 1 / 3),
}
HEIGHTS = (1.5, 2.5, 4.0)
KIND_RUNS = 0.2
SETTINGS = [["NeuralTextures", "Deepfakes"], None]  # methods of samples; None: all maps

CASES = ("units alike", "a gradual change", "different noise", "units differ")

DataSet = tuple[np.ndarray, np.ndarray, np.ndarray]  # maps, units, kinds


def pattern(y: float, x: float, tall: float, wide: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.exp(-(((rows - y) / tall) ** 2) / 2 - ((columns - x) / wide) ** 2 / 2)


PATTERNS = np.array([pattern(*place) for place in (MOUTH, FACE, BROW)])


def noise(units: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    def smooth(count: int) -> np.ndarray:
        white = rng.normal(size=(count, SIDE, SIDE))
        drawn = gaussian_filter(white, (0, NOISE_SIGMA, NOISE_SIGMA))
        return drawn / drawn.std()

    own, common = smooth(len(units)), smooth(UNITS)[units]
    return np.sqrt(1 - share) * own + np.sqrt(share) * common


def without_kinds(case: str, seed: int) -> DataSet:
    rng = np.random.default_rng(seed)
    units = np.arange(MAPS) % UNITS
    strength = rng.lognormal(0, 0.7, (MAPS, 1, 1))
    added = noise(units, 0 if case == "units differ" else 0.5, rng)
    if case == "a gradual change":
        change = rng.normal(size=(MAPS, 1, 1)) * (PATTERNS[0] - PATTERNS[2])
        maps = 3 * PATTERNS[1] + 3 * change + added
    elif case == "different noise":
        maps = 3 * PATTERNS[1] + rng.lognormal(0, 1, (MAPS, 1, 1)) * added
    else:
        maps = PATTERNS[1] + added
    return maps * strength, units, np.zeros(MAPS, int)


def with_kinds(shares: tuple[float, ...], height: float, seed: int) -> DataSet:
    rng = np.random.default_rng(seed)
    units = np.arange(MAPS) % UNITS
    counts = np.round(np.array(shares) * MAPS).astype(int)
    kinds = np.repeat(np.arange(len(shares)), counts)[:MAPS]
    kinds = rng.permutation(np.pad(kinds, (0, MAPS - len(kinds))))
    maps = height * PATTERNS[kinds] + noise(units, UNIT_SHARE, rng)
    return maps * rng.lognormal(0, 0.7, (MAPS, 1, 1)), units, kinds


def old_labels(maps: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The labels (N,) of the rule before version 0.3."""
    shape = shapes(maps)
    distances = np.clip(1 - shape @ shape.T, 0, 2)
    np.fill_diagonal(distances, 0)
    graph = neighbour_graph(distances, units)
    graph = (graph + graph.T) / 2 + 0.05 * graph[0].sum() / len(maps)
    matrix, root = laplacian(graph, normed=True, return_diag=True)
    values, vectors = eigh(matrix, subset_by_index=[0, 8])
    count = int(np.argmax(np.diff(values))) + 1
    if count == 1:
        return np.zeros(len(maps), int)
    means = KMeans(count, n_init=20, random_state=0)
    return means.fit_predict((vectors / root[:, None])[:, 1:count])


def compared(maps: np.ndarray, units: np.ndarray, kinds: np.ndarray) -> list[float]:
    """The number of clusters and the adjusted Rand index: old, and ours."""
    found = []
    for labels in (old_labels(maps, units), cluster_maps(maps, 0, groups=units).labels):
        found += [labels.max() + 1, adjusted_rand_score(kinds, labels)]
    return found


def one_run(make: Callable[[int], DataSet], seed: int) -> list[float]:
    return compared(*make(seed))


def simulated(make: Callable[[int], DataSet], runs: int) -> np.ndarray:
    """The results (runs, 4) of `compared`."""
    with ProcessPoolExecutor() as pool:
        return np.array(list(pool.map(partial(one_run, make), range(runs))))


def false_rates(runs: int) -> pd.DataFrame:
    rows = {}
    for case in CASES:
        found = simulated(partial(without_kinds, case), runs)
        rows[case] = {"old": (found[:, 0] > 1).mean(), "ours": (found[:, 2] > 1).mean()}
    return pd.DataFrame(rows).T


def kind_rates(runs: int) -> pd.DataFrame:
    rows = {}
    for name, shares in MIXTURES.items():
        for height in HEIGHTS:
            found = simulated(partial(with_kinds, shares, height), runs)
            right = found[:, [0, 2]] == len(shares)
            rows[name, height] = {
                "right, old": right[:, 0].mean(),
                "right, ours": right[:, 1].mean(),
                "more than one, ours": (found[:, 2] > 1).mean(),
                "Rand, old": found[:, 1].mean(),
                "Rand, ours": found[:, 3].mean(),
            }
    return pd.DataFrame(rows).T


def of_samples(paths: list[Path]) -> pd.DataFrame:
    rows = {}
    for path in paths:
        maps, table = read_sample(path)
        for methods in SETTINGS:
            kept = table["method"].isin(methods or set(table["method"])).to_numpy()
            units = pd.factorize(table["unit"][kept])[0]
            kinds = pd.factorize(table["method"][kept])[0]
            name = "/".join(path.parts[-4:-1])
            rows[name, "two" if methods else "all"] = compared(maps[kept], units, kinds)
    columns = ["clusters, old", "Rand, old", "clusters, ours", "Rand, ours"]
    return pd.DataFrame(rows, index=columns).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--samples", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    if args.samples:
        print(of_samples(args.samples).round(2).to_string())
        return
    print("more than one cluster, without kinds")
    print(false_rates(args.runs).round(2).to_string(), flush=True)
    print("\nthe right number of clusters, and the adjusted Rand index")
    print(kind_rates(round(KIND_RUNS * args.runs)).round(2).to_string())


if __name__ == "__main__":
    main()
