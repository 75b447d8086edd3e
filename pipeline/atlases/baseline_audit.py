"""What a detector says of baselines themselves, and how maps hang on the choice."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

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
