"""The true errors of maps at equal gradients, and the gradients at equal true errors.

    python -m benchmarks.attribution RESULTS OUTPUT [--images N] [--baselines NAME ...]

RESULTS is the folder of a finished run. Its trained models explain N evenly spaced test
crops from each baseline. A row is a model and a baseline. For each map of a row, the
gradients at NODES evenly spaced points of the path are computed once; their mean is the
reference. For noise, these are DRAW_NODES points of each of DRAWS draws. Rules are then
replayed on these points: a rule gets the gradient at the point that is nearest to its
node, which is at most 1/1024 of the path away, and 1/256 for noise. So rules with any
number of gradients can be compared, on the same gradients.

- ours: the nodes and errors of `pipeline.attributions`, for each tolerance in
  TOLERANCES
- even: midpoints of equal parts, the same number for each map
- captum: Gauss-Legendre, the same number for each map

True errors are L1 distances to the reference, as shares of its L1 norm, on the 32 x 32
squares and on pixels. The gradients of a map are a file in OUTPUT (13 MB for crops of
80 px) and are not computed again if they are there. Neither is a row whose table is
there. So an interrupted run goes on where it was. If the tables are removed, changed
rules are replayed without a single gradient. At the end, the tables of all rows in
OUTPUT are printed:

    at equal gradients   the mean true error of ours with the default tolerance, and
                         that of the other rules with the same mean number of gradients
    at equal error       the gradients to bring 95 % of the maps within 5 %, with one
                         setting of ours for all rows
    stated errors        how the stated errors agree with the true ones
    mean maps            the same for the mean map of a row

`--rates` measures gradients a second beside a bare loop of forward and backward passes.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from benchmarks.on_gpu import bare_loop
from pipeline.attributions import quadrature
from pipeline.attributions.baselines import make_baselines
from pipeline.attributions.explain import ROUNDING_SHARE, explain
from pipeline.attributions.frames import frame_keys
from pipeline.attributions.integrated_gradients import Accuracy, gradients_at
from pipeline.attributions.integration_path import ImagePaths
from pipeline.attributions.memory_plan import BatchSize, plan_batch
from pipeline.attributions.originals import Originals
from pipeline.attributions.real_faces import RealFaces
from pipeline.attributions.references import References
from pipeline.config.attribution import AttributionConfig
from pipeline.config.baseline_names import Baseline
from pipeline.faces.shards import FaceShard
from pipeline.models.checkpoints import load_detector
from pipeline.models.networks import ForgeryDetector
from pipeline.models.precision import compute_exactly
from pipeline.runtime.devices import pick_device, use_cores
from pipeline.statistics.pooling import pool_maps
from pipeline.statistics.sampling import evenly_spaced

NODES, DRAW_NODES, DRAWS = 512, 128, 4
TOLERANCES = (0.2, 0.1, 0.08, 0.07, 0.065, *np.arange(60, 50, -1) / 1000, 0.05, 0.04)
EVEN_COUNTS = range(3, 97)
FIXED_COUNTS = (9, 17, 33)  # for rank correlations
WANTED_ERROR, WANTED_SHARE = 0.05, 0.95
TIMED_SECONDS = 4.0  # of the bare loop
BASELINES = ("black", "blurred", "original", "nearest_real", "noise")


def some_crops(results: Path, count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Pick `count` frames, evenly spaced over the test shards.

    Returns their rows, with the column `aligned`, and an array (2, count, S, S, 3)
    uint8: their crops, then the crops of their originals. These are black where there
    are none.
    """
    rows, crops, originals = [], [], []
    for path in sorted((results / "faces").glob("*-test-*.h5")):
        with ExitStack() as stack:
            shard = stack.enter_context(FaceShard(path))
            frames = shard.labelled_frames()
            crops.append(shard.crops[:])
            file = results / "attributions/originals" / path.name
            if file.is_file():
                found = stack.enter_context(Originals(file))
                rows.append(frames.assign(aligned=found.aligned))
                originals.append(found.crops_of(np.arange(len(frames))))
            else:
                rows.append(frames.assign(aligned=False))
                originals.append(np.zeros_like(crops[-1]))
    table = pd.concat(rows, ignore_index=True)
    picked = evenly_spaced(len(table), count)
    stacked = np.stack(
        [np.concatenate(crops)[picked], np.concatenate(originals)[picked]]
    )
    return table.iloc[picked], stacked


def faces_for(
    kind: str,
    results: Path,
    protocol: str,
    rows: pd.DataFrame,
    pictures: np.ndarray,
) -> np.ndarray | None:
    """The faces that baselines are made from; None if they are made from none.

    `pictures` (2, N, S, S, 3) are crops and their originals.
    """
    crops, originals = pictures
    folder = results / "attributions"
    if kind == "original":
        return originals
    if kind == "nearest_real":
        with RealFaces(folder / "real_faces.h5") as real:
            return real.crops_of(real.nearest(crops, rows))
    if kind == "mean_face":
        with References(folder / "references" / f"{protocol}.h5") as references:
            return np.broadcast_to(references.mean_face, crops.shape)
    return None


class KnownPath:
    """The gradients at evenly spaced points of the paths to an image.

    Attributes:
        heatmaps: (D, n, S, S) float32: for each baseline, the gradients times (image -
            baseline), summed over colours.
        logits: (D, n), and `ends` (D, 2): at the points, and at the ends of the paths.
    """

    def __init__(
        self,
        detector: ForgeryDetector,
        image: torch.Tensor,
        baselines: torch.Tensor,
        file: Path,
    ) -> None:
        if not file.is_file():
            self._compute(detector, image, baselines, file)
        self.image, self.baselines = image.cpu(), baselines.cpu()
        with np.load(file) as stored:
            self.heatmaps, self.logits = stored["heatmaps"], stored["logits"]
            self.ends = stored["ends"]
        count = self.heatmaps.shape[1]
        self.squares = pool_maps(self.heatmaps.mean(0)).reshape(count, -1)
        self.reference = self.squares.mean(0)
        self.pixels = self.heatmaps.mean((0, 1), dtype=np.float64)

    @staticmethod
    def _compute(
        detector: ForgeryDetector,
        image: torch.Tensor,
        baselines: torch.Tensor,
        file: Path,
    ) -> None:
        """Write the arrays of the attributes to a file."""
        draws = len(baselines)
        count = NODES if draws == 1 else DRAW_NODES
        positions = (torch.arange(count, device=image.device) + 0.5) / count
        heatmaps, logits, ends = [], [], []
        for baseline in baselines:
            for some in positions.split(64):
                points = torch.lerp(baseline[None], image[None], some.view(-1, 1, 1, 1))
                found, gradients = gradients_at(detector, points)
                heatmaps.append((gradients * (image - baseline)).sum(1).cpu().numpy())
                logits += found.tolist()
            with torch.inference_mode():
                ends.append(detector(torch.stack([baseline, image])).tolist())
        partial = file.with_suffix(".part.npz")
        np.savez(
            partial,
            heatmaps=np.concatenate(heatmaps).reshape(draws, count, *image.shape[1:]),
            logits=np.array(logits).reshape(draws, count),
            ends=np.array(ends),
        )
        partial.replace(file)

    def nearest(self, nodes: np.ndarray) -> np.ndarray:
        """The points that are nearest to nodes in 0..1."""
        count = self.heatmaps.shape[1]
        return np.clip(np.rint(nodes * count - 0.5), 0, count - 1).astype(int)

    def true_error(self, squares: np.ndarray) -> float:
        """The error of a map in squares, (P,)."""
        distance = np.abs(squares - self.reference).sum()
        return float(distance / np.abs(self.reference).sum())

    def error_of_rule(self, nodes: np.ndarray, weights: np.ndarray) -> float:
        """The error of a rule with fixed nodes and weights."""
        return self.true_error(weights @ self.squares[self.nearest(nodes)])

    def replay(self, tolerance: float) -> dict[str, float | np.ndarray]:
        """What the engine would find with a tolerance of the map."""
        config = AttributionConfig()
        accuracy = Accuracy(
            (1 - ROUNDING_SHARE) * config.tolerance, map_tolerance=tolerance
        )
        image = ImagePaths(self.image, self.baselines)
        self._give_ends(image)
        wanted = accuracy.first_nodes(len(image.paths))
        while wanted:
            for node in wanted:
                self._give(image, node)
            wanted = accuracy.further_nodes(image)
        found = image.heatmap()
        errors, norm = image.errors(found), float(np.abs(found).sum())
        true = np.abs(found - self.pixels).sum() / np.abs(self.pixels).sum()
        return {
            "gradients": image.steps(),
            "true": self.true_error(pool_maps(found).ravel()),
            "true_pixels": float(true),
            "stated": errors.squares,
            "stated_pixels": errors.pixels,
            "sum_error": image.sum_error(norm),
            "map": pool_maps(found),
            "nested": pool_maps(found - image.heatmap(every=2)),
        }

    def _give_ends(self, image: ImagePaths) -> None:
        for path, logits in zip(image.paths, self.ends, strict=True):
            for end, logit in zip((0.0, 1.0), logits, strict=True):
                path.request(end)
                path.receive_end(end, logit)

    def _give(self, image: ImagePaths, node: float) -> None:
        place = self.nearest(np.array([node]))[0]
        for number, path in enumerate(image.paths):
            heatmap = self.heatmaps[number, place]
            path.request(node)
            path.receive(
                node,
                self.logits[number, place],
                float(heatmap.sum(dtype=np.float64)),
                torch.from_numpy(heatmap),
                pool_maps(heatmap).ravel(),
            )

    def stated_with(self, count: int) -> float:
        """The stated error with `count` evenly spaced nodes."""
        image = ImagePaths(self.image, self.baselines)
        for node in midpoints(count).tolist():
            self._give(image, node)
        return image.estimate().map_error()


def digest(*arrays: np.ndarray) -> str:
    """A name for arrays: 16 digits of their SHA-256."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def midpoints(count: int) -> np.ndarray:
    """The middles of `count` equal parts of 0..1."""
    return (np.arange(count) + 0.5) / count


def measure_row(
    detector: ForgeryDetector,
    crops: np.ndarray,
    baselines: Sequence[np.ndarray],
    folder: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rules on all maps of a row: a table with a line for each map and rule, and
    the errors of mean maps for each tolerance of ours.

    `folder` has the gradients, in files that are named by what they were computed from.
    """
    folder.mkdir(exist_ok=True)
    model = digest(*(part.cpu().numpy() for part in detector.state_dict().values()))
    device = next(detector.parameters()).device
    rows: list[dict[str, object]] = []
    sums: dict[float, list[np.ndarray]] = {}
    for number, (crop, starts) in enumerate(zip(crops, baselines, strict=True)):
        image = torch.tensor(crop, device=device).permute(2, 0, 1) / 255
        start = torch.tensor(starts, device=device).permute(0, 3, 1, 2)
        file = folder / f"{model}-{digest(crop, starts)}.npz"
        known = KnownPath(detector, image, start, file)
        for tolerance in TOLERANCES:
            found = known.replay(tolerance)
            maps = [found.pop("map"), found.pop("nested"), known.reference]
            sums.setdefault(tolerance, []).append(np.stack([m.ravel() for m in maps]))
            rows.append({"map": number, "rule": "ours", "setting": tolerance, **found})
        for count in EVEN_COUNTS:
            common = {"map": number, "setting": count, "gradients": count * len(start)}
            weights = np.full(count, 1 / count)
            true = known.error_of_rule(midpoints(count), weights)
            rows.append({**common, "rule": "even", "true": true})
            nodes, weights = np.polynomial.legendre.leggauss(count)
            true = known.error_of_rule((nodes + 1) / 2, weights / 2)
            rows.append({**common, "rule": "captum", "true": true})
        for count in FIXED_COUNTS:
            true = known.error_of_rule(midpoints(count), np.full(count, 1 / count))
            line = {"map": number, "rule": "fixed", "setting": count, "true": true}
            rows.append({**line, "stated": known.stated_with(count)})
        print(number + 1, end=" ", flush=True)
    means = []
    for tolerance, parts in sums.items():
        found, nested, reference = np.mean(parts, axis=0)
        size = np.abs(reference).sum()
        stated = quadrature.NESTED_SHARE * np.abs(nested).sum() / np.abs(found).sum()
        true = np.abs(found - reference).sum() / size
        means.append({"setting": tolerance, "true": true, "stated": stated})
    return pd.DataFrame(rows), pd.DataFrame(means)


def at_equal_gradients(rows: pd.DataFrame, setting: float) -> dict[str, float]:
    """The mean true error of ours, and of the others with as many gradients."""
    own = rows[(rows["rule"] == "ours") & (rows["setting"] == setting)]
    count = own["gradients"].mean()
    found = {"gradients": count, "ours": own["true"].mean()}
    found["ours, pixels"] = own["true_pixels"].mean()
    for rule in ("even", "captum"):
        curve = rows[rows["rule"] == rule].groupby("gradients")["true"].mean()
        found[rule] = float(np.interp(count, curve.index, curve))
    return {**found, "ours / even": found["ours"] / found["even"]}


def share_within(rows: pd.DataFrame, rule: str) -> pd.Series:
    """For each setting of a rule, the share of the maps within WANTED_ERROR."""
    own = rows[rows["rule"] == rule]
    return (own["true"] <= WANTED_ERROR).groupby(own["setting"]).mean()


def at_equal_error(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The gradients to bring WANTED_SHARE of the maps of each row within WANTED_ERROR.

    The setting of ours is the largest tolerance that does it in all rows. The others
    have the smallest number that does it in the row.
    """
    good = [share_within(rows, "ours") >= WANTED_SHARE for rows in tables.values()]
    everywhere = pd.concat(good, axis=1).all(axis=1)
    setting = everywhere.index[everywhere].max()
    found = {}
    for name, rows in tables.items():
        own = rows[(rows["rule"] == "ours") & (rows["setting"] == setting)]
        line = {"setting": setting, "ours": own["gradients"].mean()}
        for rule in ("even", "captum"):
            shares = share_within(rows, rule)
            enough = shares.index[shares >= WANTED_SHARE]
            of_rule = rows[(rows["rule"] == rule) & (rows["setting"] == enough.min())]
            line[rule] = of_rule["gradients"].mean()
        found[name] = {**line, "ours / even": line["ours"] / line["even"]}
    return pd.DataFrame(found).T


def stated_errors(rows: pd.DataFrame) -> dict[str, float]:
    """How the stated errors agree with the true ones."""
    found = {}
    for count in FIXED_COUNTS:
        some = rows[(rows["rule"] == "fixed") & (rows["setting"] == count)]
        rank = spearmanr(some["stated"], some["true"]).statistic
        found[f"rank at {count}"] = rank
    for setting in (0.1, 0.05):
        own = rows[(rows["rule"] == "ours") & (rows["setting"] == setting)]
        ratio = own["true"] / own["stated"]
        found[f"median at {setting}"] = ratio.median()
        found[f"bounded at {setting}"] = (ratio <= 1).mean()
    return found


def print_tables(output: Path) -> None:
    """Print the tables of all rows in a folder."""
    files = sorted(output.glob("*.csv"))
    tables = {f.stem: pd.read_csv(f) for f in files if ".means" not in f.name}
    if not tables:
        return
    for setting in (0.1, 0.05):
        lines = {k: at_equal_gradients(rows, setting) for k, rows in tables.items()}
        print(f"\nat equal gradients, tolerance {setting}")
        print(pd.DataFrame(lines).T.round(3).to_string())
    print(f"\nat equal error: {WANTED_SHARE:.0%} of the maps within {WANTED_ERROR:.0%}")
    print(at_equal_error(tables).round(3).to_string())
    print("\nstated errors: rank correlation, true / stated, share with true <= stated")
    lines = {name: stated_errors(rows) for name, rows in tables.items()}
    print(pd.DataFrame(lines).T.round(2).to_string())
    for count in FIXED_COUNTS:
        every = pd.concat(tables.values())
        some = every[(every["rule"] == "fixed") & (every["setting"] == count)]
        rank = spearmanr(some["stated"], some["true"]).statistic
        print(f"all rows, rank correlation at {count}: {rank:.3f}")
    print("\nmean maps, default tolerance")
    means = {f.name.split(".")[0]: pd.read_csv(f) for f in output.glob("*.means.csv")}
    for name, table in sorted(means.items()):
        line = table[table["setting"] == 0.1].iloc[0]
        print(f"{name:25} true {line['true']:.3f} stated {line['stated']:.3f}")


def print_rate(
    detector: ForgeryDetector, crops: np.ndarray, baselines: Sequence[np.ndarray]
) -> None:
    """Gradients a second of the engine, beside the bare loop before and after."""
    batch = plan_batch(detector, crops.shape[1])
    bare = bare_loop(detector, batch, crops.shape[1], TIMED_SECONDS)
    start = time.perf_counter()
    size = BatchSize(batch)
    config = AttributionConfig()
    found = explain(detector, crops, baselines, config=config, batch_size=size)
    seconds = time.perf_counter() - start
    bare += bare_loop(detector, batch, crops.shape[1], TIMED_SECONDS)
    rate, limit = found["steps"].sum() / seconds, bare / 2
    print(
        f"{found['steps'].mean():.1f} gradients a map, {rate:.1f} a second, "
        f"{rate / limit:.2f} of the bare loop; {found['converged'].mean():.1%} within "
        "both tolerances",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--images", type=int, default=48)
    choices = Baseline.__args__
    parser.add_argument("--baselines", nargs="*", choices=choices, default=BASELINES)
    parser.add_argument("--rates", action="store_true")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    every_row, every_picture = some_crops(args.results, 10**6)
    use_cores(os.cpu_count())
    compute_exactly()
    for kind in args.baselines:
        for path in sorted((args.results / "models").glob("*/*/weights.safetensors")):
            model, protocol = path.parts[-3:-1]
            file = args.output / f"{model}, {kind}.csv"
            if file.is_file() and not args.rates:
                continue
            used = every_row["aligned"].to_numpy(bool) | (kind != "original")
            places = np.flatnonzero(used)
            places = places[evenly_spaced(len(places), args.images)]
            rows, pictures = every_row.iloc[places], every_picture[:, places]
            faces = faces_for(kind, args.results, protocol, rows, pictures)
            crops, keys = pictures[0], frame_keys(rows)
            baselines = list(
                make_baselines(kind, crops, keys, faces=faces, draws=DRAWS)
            )
            detector = load_detector(path, pick_device())
            print(f"\n{model}, {kind}: {len(crops)} maps", flush=True)
            if args.rates:
                print_rate(detector, crops, baselines)
                continue
            folder = file.with_suffix("")
            table, means = measure_row(detector, crops, baselines, folder)
            means.to_csv(args.output / f"{model}, {kind}.means.csv", index=False)
            table.to_csv(file, index=False)
    if not args.rates:
        print_tables(args.output)


if __name__ == "__main__":
    main()
