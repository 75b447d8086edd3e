"""The detector's logits of baselines, and how much maps depend on the baseline."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pipeline.metrics.slices import SLICE_KEYS

AUDIT_COLUMNS = [
    *("baseline", *SLICE_KEYS),
    "frames",
    "baseline_logit",  # the mean of F(b)
    *("lowest", "highest"),  # extremes of F(b)
    "called_fake",  # share of the baselines that the detector calls fake
    "size_of_change",  # mean |F(x) - F(b)|
    "from_baseline",  # mean |F(b)| / (|F(x)| + |F(b)|)
    "same_set",  # share of the baselines that show a video of the frame's test set
    "converged",  # share of the maps within the tolerance
    "steps",  # mean number of gradients of a map
]
AGREEMENT_COLUMNS = [
    *SLICE_KEYS,
    "baseline",
    "other",
    "frames",
    "rank_correlation",
    "std",
]


def audit(frames: Mapping[str, pd.DataFrame], threshold: float) -> pd.DataFrame:
    """The detector's logits of each baseline: one row for each baseline and method.

    `frames` is each baseline's table of frames. From the logit `threshold` on, an image
    counts as fake. A baseline that is itself called fake contains evidence, which it
    should not. Returns the columns AUDIT_COLUMNS.
    """
    parts = []
    for name, table in frames.items():
        baseline_size, size = table["baseline_logit"].abs(), table["logit"].abs()
        total = baseline_size + size
        table = table.assign(
            baseline=name,
            called=table["baseline_logit"] >= threshold,
            change=(table["logit"] - table["baseline_logit"]).abs(),
            part=baseline_size / total.where(total > 0),
            same_set=_same_set(table),
        )
        parts.append(
            table.groupby(["baseline", *SLICE_KEYS], as_index=False).agg(
                frames=("video", "size"),
                baseline_logit=("baseline_logit", "mean"),
                lowest=("baseline_logit", "min"),
                highest=("baseline_logit", "max"),
                called_fake=("called", "mean"),
                size_of_change=("change", "mean"),
                from_baseline=("part", "mean"),
                same_set=("same_set", "mean"),
                converged=("converged", "mean"),
                steps=("steps", "mean"),
            )
        )
    return pd.concat(parts, ignore_index=True)[AUDIT_COLUMNS]


def _same_set(frames: pd.DataFrame) -> np.ndarray:
    """Whether each baseline shows a video of the frame's data set and compression."""
    own = frames["dataset"] + "/" + frames["compression"] + "/"
    pairs = zip(frames["baseline_video"], own, strict=True)
    return np.array([video.startswith(test_set) for video, test_set in pairs], bool)


def agreement(
    samples: Mapping[str, tuple[np.ndarray, pd.DataFrame]],
) -> pd.DataFrame:
    """Rank correlation (Spearman) of the maps of the same frames from two baselines.

    `samples` are each baseline's pooled maps (n, P, P) and their rows. Returns one row
    for each method and pair of baselines, with the columns AGREEMENT_COLUMNS: the mean
    over frames, and `std`, its standard deviation over frames.
    """
    ranks = {name: _ranks(*sample) for name, sample in samples.items()}
    rows: list[tuple[object, ...]] = []
    for one, other in combinations(ranks, 2):
        (left, keys), (right, other_keys) = ranks[one], ranks[other]
        positions = {key: position for position, key in enumerate(other_keys.index)}
        both = [(n, positions[k]) for n, k in enumerate(keys.index) if k in positions]
        if not both:
            continue
        first, second = np.array(both).T
        values = (left[first] * right[second]).sum(1)
        found = keys.iloc[first].reset_index(drop=True).assign(value=values)
        for names, part in found.groupby(SLICE_KEYS):
            mean, std = part["value"].mean(), part["value"].std(ddof=0)
            rows.append((*names, one, other, len(part), mean, std))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def _ranks(maps: np.ndarray, rows: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Ranks of each map's squares, (n, P * P), centred and of length one, so that
    their product is the rank correlation; and the rows, indexed by frame."""
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length, length, 1), rows.set_index(["shard", "crop"])[
        SLICE_KEYS
    ]
