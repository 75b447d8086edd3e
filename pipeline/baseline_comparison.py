"""What a detector says of baselines themselves, and how maps hang on the choice."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pipeline.atlas_arrays import CellArrays
from pipeline.figures import COLOURS, save
from pipeline.overlays import (
    Look,
    bare,
    colour_bar,
    outline,
    overlay,
    row_name,
    rows_of,
    shared_limit,
)

SLICE = ["dataset", "compression", "method"]
AUDIT_COLUMNS = [
    *("baseline", *SLICE),
    "frames",
    "baseline_logit",  # F(b): its mean,
    *("lowest", "highest"),  # and extremes
    "called_fake",  # share of the baselines that the detector calls fake
    "size_of_change",  # mean |F(x) - F(b)|
    "from_baseline",  # share of F(x)'s and F(b)'s sizes that is the baseline's
    "aligned",  # share of the frames whose baseline is their own original
    "converged",
    "steps",  # mean gradients a map
]
AGREEMENT_COLUMNS = [*SLICE, "baseline", "other", "frames", "rank_correlation", "std"]


def audit(frames: Mapping[str, pd.DataFrame], threshold: float) -> pd.DataFrame:
    """What the detector says of each baseline, a row a baseline and method.

    `frames` is each baseline's table of frames; from `threshold` on, a logit counts as
    fake. A baseline that is itself called fake carries evidence that it should lack.
    """
    parts = []
    for name, table in frames.items():
        start, size = table["baseline_logit"].abs(), table["logit"].abs()
        told = table.assign(
            baseline=name,
            called=table["baseline_logit"] >= threshold,
            change=(table["logit"] - table["baseline_logit"]).abs(),
            part=start / (start + size).where(lambda total: total > 0),
        )
        parts.append(
            told.groupby(["baseline", *SLICE], as_index=False).agg(
                frames=("video", "size"),
                baseline_logit=("baseline_logit", "mean"),
                lowest=("baseline_logit", "min"),
                highest=("baseline_logit", "max"),
                called_fake=("called", "mean"),
                size_of_change=("change", "mean"),
                from_baseline=("part", "mean"),
                aligned=("aligned", "mean"),
                converged=("converged", "mean"),
                steps=("steps", "mean"),
            )
        )
    return pd.concat(parts, ignore_index=True)[AUDIT_COLUMNS]


def agreement(
    samples: Mapping[str, tuple[np.ndarray, pd.DataFrame]],
) -> pd.DataFrame:
    """Rank correlation (Spearman) between the maps of the same frames, for each pair.

    `samples` are each baseline's pooled maps (n, P, P) and their rows. The value is the
    mean over frames, and `std` its spread from frame to frame.
    """
    ranks = {name: _ranks(*sample) for name, sample in samples.items()}
    rows = []
    for one, other in combinations(ranks, 2):
        (left, keys), (right, other_keys) = ranks[one], ranks[other]
        places = {key: place for place, key in enumerate(other_keys.index)}
        both = [(i, places[k]) for i, k in enumerate(keys.index) if k in places]
        if not both:
            continue
        first, second = np.array(both).T
        values = (left[first] * right[second]).sum(1)
        found = keys.iloc[first].reset_index(drop=True).assign(value=values)
        for place, part in found.groupby(SLICE):
            told = (len(part), part["value"].mean(), part["value"].std(ddof=0))
            rows.append((*place, one, other, *told))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def _ranks(maps: np.ndarray, rows: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Ranks of each map's squares, centred and of length one, and rows by frame."""
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length, length, 1), rows.set_index(["shard", "crop"])[SLICE]


def plot_baselines(
    cells: Mapping[str, Sequence[CellArrays]],
    frames: Mapping[str, pd.DataFrame],
    audited: pd.DataFrame,
    alike: pd.DataFrame,
    threshold: float,
    title: str,
    look: Look,
    path: Path,
) -> None:
    """The audit above the mean maps of each baseline side by side, a row a method."""
    names = list(cells)
    shown = {
        name: {c.place: c for c in cells[name] if c.outcome == "all"} for name in names
    }
    places = rows_of(shown[names[0]])
    figure = plt.figure(
        figsize=(max(2.9 * len(names) + 0.6, 8), 2.3 * len(places) + 3.4),
        layout="constrained",
    )
    top, below = figure.subfigures(2, 1, height_ratios=(2.6, 2.3 * len(places)))
    left, right = top.subplots(1, 2, width_ratios=(3, 2))
    _plot_audit(left, frames, threshold)
    _plot_agreement(right, alike, names)
    panels = below.subplots(len(places), len(names), squeeze=False)
    for row, place in zip(panels, places, strict=True):
        for axes, name in zip(row, names, strict=True):
            cell = shown[name].get(place)
            bare(axes)
            if place == places[0]:
                axes.set_title(name, fontsize=10)
            if cell is None:
                continue
            # Baselines differ in strength: each map on a scale of its own.
            limit = shared_limit([cell.mean])
            axes.imshow(
                overlay(cell.mean, cell.face, limit, look.colormap, look.opacity)
            )
            outline(axes, cell.mask)
            colour_bar(below, axes, limit, look.colormap)
            if name == names[0]:
                axes.set_ylabel(row_name(place, places))
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _plot_audit(
    axes: plt.Axes, frames: Mapping[str, pd.DataFrame], threshold: float
) -> None:
    """Where the logits of baselines lie, beside those of the frames themselves."""
    first = next(iter(frames.values()))
    groups = {name: table["baseline_logit"] for name, table in frames.items()}
    groups |= {
        f"{kind} frames": first.loc[first["label"] == label, "logit"]
        for label, kind in ((0, "real"), (1, "fake"))
    }
    rng = np.random.default_rng(0)
    for height, values in enumerate(groups.values()):
        spread = height + rng.uniform(-0.25, 0.25, len(values))
        axes.scatter(values, spread, s=4, color=COLOURS[1], alpha=0.4, lw=0)
        axes.scatter(values.median(), height, marker="|", s=180, color="black")
    axes.axvline(threshold, color=COLOURS[2], lw=1)
    axes.set_yticks(range(len(groups)), groups, fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("logit: ← real   fake →; the line is the threshold", fontsize=9)
    axes.set_title("what the detector says of baselines", fontsize=10, loc="left")


def _plot_agreement(axes: plt.Axes, alike: pd.DataFrame, names: Sequence[str]) -> None:
    """Rank correlations between baselines, over all frames."""
    values = np.eye(len(names))
    for row in alike.itertuples():
        one, other = names.index(row.baseline), names.index(row.other)
        part = alike[
            (alike["baseline"] == row.baseline) & (alike["other"] == row.other)
        ]
        mean = np.average(part["rank_correlation"], weights=part["frames"])
        values[one, other] = values[other, one] = mean
    axes.imshow(values, "cividis", vmin=0, vmax=1)
    for (y, x), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title("rank correlation of maps", fontsize=10, loc="left")
